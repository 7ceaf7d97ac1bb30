using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// How a session is saved: the first time a path, and a key or <see cref="Plaintext"/>; later nothing is needed.
    /// </summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class SaveOptions
    {
        /// <summary>Of a new file; empty: the session's own.</summary>
        public string Path { get; set; } = "";

        /// <summary>Encrypts a new file.</summary>
        public SessionKey Key { get; set; }

        /// <summary>A new file without encryption; excludes a key.</summary>
        public bool Plaintext { get; set; }

        /// <summary>Bytes of KV that the file has now, and in all.</summary>
        public ProgressFunction OnProgress { get; set; }

        /// <summary>The call watches it.</summary>
        public CancelFlag Cancel { get; set; }

        internal CSaveOptions ToC()
        {
            return new CSaveOptions
            {
                Flags = Plaintext ? Native.LEOAM_SAVE_PLAINTEXT : 0,
                Cancel = CancelFlag.ValueOf(Cancel),
            };
        }

        internal SaveOptions With(CancelFlag cancel, ProgressFunction onProgress)
        {
            var copy = (SaveOptions)MemberwiseClone();
            copy.Cancel = cancel;
            copy.OnProgress = onProgress;
            return copy;
        }
    }
}
