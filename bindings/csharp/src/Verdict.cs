using System.Collections.Generic;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What a check of a session file has found.</summary>
    public sealed class Verdict
    {
        internal Verdict(CVerdict c, IReadOnlyList<string> findings)
        {
            Whole = c.Whole != 0;
            NPages = Check.Saturated(c.NPages);
            NBadPages = Check.Saturated(c.NBadPages);
            NMissingPages = Check.Saturated(c.NMissingPages);
            FirstBadToken = c.FirstBadToken == ulong.MaxValue ? (long?)null : Check.Saturated(c.FirstBadToken);
            NRecomputeTokens = Check.Saturated(c.NRecomputeTokens);
            NFindings = Check.Saturated(c.NFindings);
            Findings = findings;
        }

        /// <summary>Everything that was saved is there and right.</summary>
        public bool Whole { get; }

        /// <summary>Checked.</summary>
        public long NPages { get; }

        /// <summary>Damaged.</summary>
        public long NBadPages { get; }

        /// <summary>Not there.</summary>
        public long NMissingPages { get; }

        /// <summary>The first without whole KV; null: none.</summary>
        public long? FirstBadToken { get; }

        /// <summary>What an opened session computes again before it goes on.</summary>
        public long NRecomputeTokens { get; }

        /// <summary>In all.</summary>
        public long NFindings { get; }

        /// <summary>Sentences, at most 32.</summary>
        public IReadOnlyList<string> Findings { get; }
    }
}
