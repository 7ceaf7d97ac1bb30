using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What a model and a context will need.</summary>
    public sealed class Plan
    {
        internal Plan(CPlan c)
        {
            Fits = c.Fits != 0;
            ContextTokens = Check.Saturated(c.ContextTokens);
            WeightBytes = Check.Saturated(c.WeightBytes);
            KvTokenBytes = Check.Saturated(c.KvTokenBytes);
            KvBytes = Check.Saturated(c.KvBytes);
            WorkspaceBytes = Check.Saturated(c.WorkspaceBytes);
            TotalBytes = Check.Saturated(c.TotalBytes);
            FittingTokens = Check.Saturated(c.FittingTokens);
            FittingWithDiskTokens = Check.Saturated(c.FittingWithDiskTokens);
            HostKvBytes = Check.Saturated(c.HostKvBytes);
            DiskKvBytes = Check.Saturated(c.DiskKvBytes);
            SessionFileBytes = Check.Saturated(c.SessionFileBytes);
            DiskWrittenBytes = Check.Saturated(c.DiskWrittenBytes);
            TokenReadBytes = Check.Saturated(c.TokenReadBytes);
            PrefillTokensPerSecond = c.PrefillTokensPerSecond;
            DecodeTokensPerSecond = c.DecodeTokensPerSecond;
            ReopenSeconds = c.ReopenSeconds;
            PieceTokens = checked((int)c.PieceTokens);
            KvType = (KvType)c.KvType;
        }

        /// <summary>All KV stays in memory.</summary>
        public bool Fits { get; }

        /// <summary>Of the plan.</summary>
        public long ContextTokens { get; }

        /// <summary>In memory.</summary>
        public long WeightBytes { get; }

        /// <summary>One token, all layers.</summary>
        public long KvTokenBytes { get; }

        /// <summary>At <see cref="ContextTokens"/>, in whole pages.</summary>
        public long KvBytes { get; }

        /// <summary>Scratch of the forward pass.</summary>
        public long WorkspaceBytes { get; }

        /// <summary>Weights, scratch and KV in memory.</summary>
        public long TotalBytes { get; }

        /// <summary>The longest context of which all KV stays in memory.</summary>
        public long FittingTokens { get; }

        /// <summary>The longest that memory and disk hold together.</summary>
        public long FittingWithDiskTokens { get; }

        /// <summary>All that KV causes in memory, at most.</summary>
        public long HostKvBytes { get; }

        /// <summary>Files.</summary>
        public long DiskKvBytes { get; }

        /// <summary>Of <see cref="DiskKvBytes"/>, with <see cref="PlanOptions.Saved"/>; else 0.</summary>
        public long SessionFileBytes { get; }

        /// <summary>At most, by the time the context is filled (and saved).</summary>
        public long DiskWrittenBytes { get; }

        /// <summary>From disk, for the next token.</summary>
        public long TokenReadBytes { get; }

        /// <summary>
        /// Expected, from the first token to the last; this and the next two are 0 without <see
        /// cref="PlanOptions.Speed"/> and where the context does not fit.
        /// </summary>
        public double PrefillTokensPerSecond { get; }

        /// <summary>Expected, at <see cref="ContextTokens"/>.</summary>
        public double DecodeTokensPerSecond { get; }

        /// <summary>Expected, of a saved session until its first pass can start.</summary>
        public double ReopenSeconds { get; }

        /// <summary>Of a prefill piece, when a session leaves it to the library.</summary>
        public int PieceTokens { get; }

        /// <summary>The one that was asked for, or chosen; never Auto.</summary>
        public KvType KvType { get; }
    }
}
