using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What an evaluation tells while it goes on.</summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class EvaluateOptions
    {
        /// <summary><see cref="OnLogits"/> for every position, not only the last.</summary>
        public bool AllLogits { get; set; }

        /// <summary>
        /// Steps of one token that attend to a selection also compute which share of attention it has captured
        /// (<see cref="Session.GetAttention"/>): slow. No logits change.
        /// </summary>
        public bool Audit { get; set; }

        /// <summary>Takes logits.</summary>
        public LogitsFunction OnLogits { get; set; }

        /// <summary>Tokens done and in all.</summary>
        public ProgressFunction OnProgress { get; set; }

        /// <summary>The evaluation ends within 100 ms of it.</summary>
        public CancelFlag Cancel { get; set; }

        internal CEvaluateOptions ToC()
        {
            return new CEvaluateOptions
            {
                Flags = (AllLogits ? Native.LEOAM_EVALUATE_ALL_LOGITS : 0) |
                    (Audit ? Native.LEOAM_EVALUATE_AUDIT : 0),
                Cancel = CancelFlag.ValueOf(Cancel),
            };
        }

        internal EvaluateOptions With(CancelFlag cancel, ProgressFunction onProgress)
        {
            var copy = (EvaluateOptions)MemberwiseClone();
            copy.Cancel = cancel;
            copy.OnProgress = onProgress;
            return copy;
        }
    }
}
