namespace LeoAM
{
    /// <summary>A generation that has finished.</summary>
    public sealed class Generation
    {
        internal Generation(string text, int[] tokens, FinishReason finishReason, RequestStatistics statistics)
        {
            Text = text;
            Tokens = tokens;
            FinishReason = finishReason;
            Statistics = statistics;
        }

        /// <summary>All of it.</summary>
        public string Text { get; }

        /// <summary>In order.</summary>
        public int[] Tokens { get; }

        /// <summary>Why it ended.</summary>
        public FinishReason FinishReason { get; }

        /// <summary>Of its request.</summary>
        public RequestStatistics Statistics { get; }
    }
}
