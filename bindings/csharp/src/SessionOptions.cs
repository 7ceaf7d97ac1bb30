using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What a session keeps, and which of it a drawn token attends to.</summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class SessionOptions
    {
        /// <summary>What keys and values are kept as.</summary>
        public KvType KvType { get; set; }

        /// <summary>
        /// Which KV a drawn token attends to: "exact" (empty means it), "leoam", "quest", "window", "h2o".
        /// </summary>
        public string Policy { get; set; } = "";

        /// <summary>16, 32, 64 or 128; 0: 32.</summary>
        public int PageTokens { get; set; }

        /// <summary>Most tokens that the session may hold; 0: the model's context.</summary>
        public int ContextTokens { get; set; }

        /// <summary>
        /// Tokens of a prefill piece; 0: the library's choice. Logits are byte-identical for one number,
        /// whatever the budgets, and agree within 1e-3 in log-probability between numbers.
        /// </summary>
        public int PieceTokens { get; set; }

        /// <summary>
        /// Share of the context that a policy attends to in a layer, on average over its KV heads: above 0, at
        /// most 1; 0: 0.1.
        /// </summary>
        public double Importance { get; set; }

        /// <summary>The same as a number of tokens; 0: by importance.</summary>
        public int BudgetTokens { get; set; }

        /// <summary>
        /// Of "leoam": channels of a key that have codes; more cost time and room, and find the right tokens
        /// more often; 0: half of them.
        /// </summary>
        public int NChannels { get; set; }

        /// <summary>
        /// Of "leoam": codes are read of so many times the tokens attended to; above 0; 0: 12.
        /// </summary>
        public double Breadth { get; set; }

        /// <summary>
        /// Of "leoam": what is attended to comes from at most so many pages as it would fill; 0: from any.
        /// </summary>
        public double PageSpread { get; set; }

        /// <summary>
        /// More is attended to while the coverage of some head is below: at least 0 (no floor), below 1.
        /// </summary>
        public double CoverageFloor { get; set; }

        /// <summary>
        /// Of <see cref="KvType.Auto"/>: of what is drawn, from F16, that a codec may cost (KL); 0: 0.0005.
        /// </summary>
        public double MostKvDivergence { get; set; }

        /// <summary>
        /// Of "leoam" and "quest": pieces of a prompt with so many tokens before them or more attend to a
        /// selection too; 0: prompts attend to everything.
        /// </summary>
        public long SparsePrefillTokens { get; set; }

        internal CSessionOptions ToC()
        {
            return new CSessionOptions
            {
                KvType = (int)KvType,
                PageTokens = Check.Count(PageTokens, nameof(PageTokens)),
                ContextTokens = Check.Count(ContextTokens, nameof(ContextTokens)),
                PieceTokens = Check.Count(PieceTokens, nameof(PieceTokens)),
                Importance = Importance,
                BudgetTokens = Check.Count(BudgetTokens, nameof(BudgetTokens)),
                NChannels = Check.Count(NChannels, nameof(NChannels)),
                Breadth = Breadth,
                PageSpread = PageSpread,
                CoverageFloor = CoverageFloor,
                MostKvDivergence = MostKvDivergence,
                SparsePrefillTokens = Check.Size(SparsePrefillTokens, nameof(SparsePrefillTokens)),
            };
        }
    }
}
