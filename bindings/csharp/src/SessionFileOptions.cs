using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>How a session file is read. Without a key it is a plaintext file.</summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class SessionFileOptions
    {
        /// <summary>Of an encrypted file.</summary>
        public SessionKey Key { get; set; }

        /// <summary>Of <see cref="SessionFile.Verify"/>: pages done and in all.</summary>
        public ProgressFunction OnProgress { get; set; }

        /// <summary>Of <see cref="SessionFile.Verify"/>.</summary>
        public CancelFlag Cancel { get; set; }

        internal CFileOptions ToC()
        {
            return new CFileOptions
            {
                Cancel = CancelFlag.ValueOf(Cancel),
            };
        }

        internal SessionFileOptions With(CancelFlag cancel, ProgressFunction onProgress)
        {
            var copy = (SessionFileOptions)MemberwiseClone();
            copy.Cancel = cancel;
            copy.OnProgress = onProgress;
            return copy;
        }
    }
}
