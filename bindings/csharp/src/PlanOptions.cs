using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What a plan is made for.</summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class PlanOptions
    {
        /// <summary>What keys and values are kept as.</summary>
        public KvType KvType { get; set; }

        /// <summary>0: the model's own.</summary>
        public long ContextTokens { get; set; }

        /// <summary>16, 32, 64 or 128; 0: 32.</summary>
        public int PageTokens { get; set; }

        /// <summary>0: that of the instance.</summary>
        public long HostKvBudgetBytes { get; set; }

        /// <summary>0: that of the instance.</summary>
        public long DiskKvBudgetBytes { get; set; }

        /// <summary>Speeds too: measures the machine once, within 5 s, and keeps the result.</summary>
        public bool Speed { get; set; }

        /// <summary>The session is saved in a file at the end.</summary>
        public bool Saved { get; set; }

        /// <summary>The measuring watches it.</summary>
        public CancelFlag Cancel { get; set; }

        internal CPlanOptions ToC()
        {
            return new CPlanOptions
            {
                KvType = (int)KvType,
                ContextTokens = Check.Size(ContextTokens, nameof(ContextTokens)),
                PageTokens = Check.Count(PageTokens, nameof(PageTokens)),
                HostKvBudgetBytes = Check.Size(HostKvBudgetBytes, nameof(HostKvBudgetBytes)),
                DiskKvBudgetBytes = Check.Size(DiskKvBudgetBytes, nameof(DiskKvBudgetBytes)),
                Flags = (Speed ? Native.LEOAM_PLAN_SPEED : 0) |
                    (Saved ? Native.LEOAM_PLAN_SAVED : 0),
                Cancel = CancelFlag.ValueOf(Cancel),
            };
        }

        internal PlanOptions With(CancelFlag cancel)
        {
            var copy = (PlanOptions)MemberwiseClone();
            copy.Cancel = cancel;
            return copy;
        }
    }
}
