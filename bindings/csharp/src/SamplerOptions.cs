using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// How a token is drawn. The stages run in this order: penalty, temperature, top-k, top-p, min-p, draw.
    /// </summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class SamplerOptions
    {
        /// <summary>0: greedy, the lowest id among equals; the stages below are off.</summary>
        public float Temperature { get; set; }

        /// <summary>0: off.</summary>
        public int TopK { get; set; }

        /// <summary>0 or 1: off.</summary>
        public float TopP { get; set; }

        /// <summary>Relative to the most likely token; 0: off.</summary>
        public float MinP { get; set; }

        /// <summary>Works when greedy too; 0 or 1: off.</summary>
        public float RepetitionPenalty { get; set; }

        /// <summary>How far back the penalty looks; 0: 64.</summary>
        public int RepetitionWindowTokens { get; set; }

        /// <summary>All 64 bits count: the same seed, logits and options give the same tokens.</summary>
        public long Seed { get; set; }

        internal CSamplerOptions ToC()
        {
            return new CSamplerOptions
            {
                Temperature = Temperature,
                TopK = Check.Count(TopK, nameof(TopK)),
                TopP = TopP,
                MinP = MinP,
                RepetitionPenalty = RepetitionPenalty,
                RepetitionWindowTokens = Check.Count(RepetitionWindowTokens, nameof(RepetitionWindowTokens)),
                Seed = Check.Size(Seed, nameof(Seed)),
            };
        }
    }
}
