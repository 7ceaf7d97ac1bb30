using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>How a session is suspended.</summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class SuspendOptions
    {
        /// <summary>Bytes of KV done and in all.</summary>
        public ProgressFunction OnProgress { get; set; }

        /// <summary>The call watches it.</summary>
        public CancelFlag Cancel { get; set; }

        internal CSuspendOptions ToC()
        {
            return new CSuspendOptions
            {
                Cancel = CancelFlag.ValueOf(Cancel),
            };
        }
    }
}
