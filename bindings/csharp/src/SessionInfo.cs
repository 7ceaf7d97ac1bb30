using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What a session has. Sums are over tokens and the layers that select; 0 with "exact".</summary>
    public sealed class SessionInfo
    {
        internal SessionInfo(CSessionInfo c)
        {
            KvType = (KvType)c.KvType;
            Policy = Utf8.Decode(c.Policy);
            NTokens = Check.Saturated(c.NTokens);
            ContextTokens = Check.Saturated(c.ContextTokens);
            KvBytes = Check.Saturated(c.KvBytes);
            PageTokens = checked((int)c.PageTokens);
            NVocab = checked((int)c.NVocab);
            HasFile = (c.Flags & Native.LEOAM_SESSION_HAS_FILE) != 0;
            PieceTokens = checked((int)c.PieceTokens);
            ResidentKvBytes = Check.Saturated(c.ResidentKvBytes);
            NSelections = Check.Saturated(c.NSelections);
            NAttendedTokens = Check.Saturated(c.NAttendedTokens);
            NCandidateTokens = Check.Saturated(c.NCandidateTokens);
            NChunksEvaluated = Check.Saturated(c.NChunksEvaluated);
            NPagesNeeded = Check.Saturated(c.NPagesNeeded);
            NPagesFetched = Check.Saturated(c.NPagesFetched);
            NPagesGuessed = Check.Saturated(c.NPagesGuessed);
            NWidened = Check.Saturated(c.NWidened);
            CoverageSum = c.CoverageSum;
            LeastCoverage = c.LeastCoverage;
            NAudited = Check.Saturated(c.NAudited);
            CapturedSum = c.CapturedSum;
            NPrefillAttendedTokens = Check.Saturated(c.NPrefillAttendedTokens);
            NPrefillCandidateTokens = Check.Saturated(c.NPrefillCandidateTokens);
        }

        /// <summary>What it is now.</summary>
        public KvType KvType { get; }

        /// <summary>Which KV a drawn token attends to.</summary>
        public string Policy { get; }

        /// <summary>Of the sequence; the last drawn ones may have no KV yet.</summary>
        public long NTokens { get; }

        /// <summary>Most tokens it may hold.</summary>
        public long ContextTokens { get; }

        /// <summary>In memory and in files.</summary>
        public long KvBytes { get; }

        /// <summary>Of a page.</summary>
        public int PageTokens { get; }

        /// <summary>Length of every array of logits.</summary>
        public int NVocab { get; }

        /// <summary>It was saved, or opened from a file.</summary>
        public bool HasFile { get; }

        /// <summary>Of a prefill piece.</summary>
        public int PieceTokens { get; }

        /// <summary>Of <see cref="KvBytes"/>, in memory.</summary>
        public long ResidentKvBytes { get; }

        /// <summary>Selections so far.</summary>
        public long NSelections { get; }

        /// <summary>Mean over KV heads.</summary>
        public long NAttendedTokens { get; }

        /// <summary>The context at that time.</summary>
        public long NCandidateTokens { get; }

        /// <summary>Over all KV heads.</summary>
        public long NChunksEvaluated { get; }

        /// <summary>By any KV head.</summary>
        public long NPagesNeeded { get; }

        /// <summary>Of KV and abstracts, where a layer was not in place as a whole.</summary>
        public long NPagesFetched { get; }

        /// <summary>Of them, those that the step before had needed too.</summary>
        public long NPagesGuessed { get; }

        /// <summary>Selections that the coverage floor has made larger.</summary>
        public long NWidened { get; }

        /// <summary>Over selections, of the mean over their heads.</summary>
        public double CoverageSum { get; }

        /// <summary>Of the newest step, all layers and heads; 1: everything was attended to.</summary>
        public double LeastCoverage { get; }

        /// <summary>Of <see cref="NSelections"/>, those of <see cref="EvaluateOptions.Audit"/>.</summary>
        public long NAudited { get; }

        /// <summary>Over these, of the mean over their heads.</summary>
        public double CapturedSum { get; }

        /// <summary>
        /// Of prompts read with <see cref="SessionOptions.SparsePrefillTokens"/>, mean over KV heads.
        /// </summary>
        public long NPrefillAttendedTokens { get; }

        /// <summary>The context at that time.</summary>
        public long NPrefillCandidateTokens { get; }
    }
}
