using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>How a model is loaded, and what of its file is overridden.</summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class LoadOptions
    {
        /// <summary>Overrides what the file says.</summary>
        public RopeScaling RopeScaling { get; set; }

        /// <summary>Context extension factor, at least 1; 0: as in the file.</summary>
        public float RopeFactor { get; set; }

        /// <summary>Above 0; 0: as in the file.</summary>
        public float RopeBase { get; set; }

        /// <summary>0: as in the file.</summary>
        public int RopeOriginalContextTokens { get; set; }

        /// <summary>0: as in the file.</summary>
        public int ContextTokens { get; set; }

        /// <summary>No weights: such a model has information and metadata only.</summary>
        public bool HeaderOnly { get; set; }

        /// <summary>Bytes done and in all.</summary>
        public ProgressFunction OnProgress { get; set; }

        /// <summary>Loading ends within 100 ms of it.</summary>
        public CancelFlag Cancel { get; set; }

        internal CLoadOptions ToC()
        {
            return new CLoadOptions
            {
                RopeScaling = (int)RopeScaling,
                RopeFactor = RopeFactor,
                RopeBase = RopeBase,
                RopeOriginalContextTokens =
                    Check.Count(RopeOriginalContextTokens, nameof(RopeOriginalContextTokens)),
                ContextTokens = Check.Count(ContextTokens, nameof(ContextTokens)),
                Flags = HeaderOnly ? Native.LEOAM_LOAD_HEADER_ONLY : 0,
                Cancel = CancelFlag.ValueOf(Cancel),
            };
        }

        internal LoadOptions With(CancelFlag cancel, ProgressFunction onProgress)
        {
            var copy = (LoadOptions)MemberwiseClone();
            copy.Cancel = cancel;
            copy.OnProgress = onProgress;
            return copy;
        }
    }
}
