using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What a request has done so far. Times are in microseconds.</summary>
    public sealed class RequestStatistics
    {
        internal RequestStatistics(CRequestStatistics c)
        {
            PromptTokens = Check.Saturated(c.PromptTokens);
            PrefilledTokens = Check.Saturated(c.PrefilledTokens);
            GeneratedTokens = Check.Saturated(c.GeneratedTokens);
            TimeToFirstTokenUs = Check.Saturated(c.TimeToFirstTokenUs);
            PrefillUs = Check.Saturated(c.PrefillUs);
            DecodeUs = Check.Saturated(c.DecodeUs);
            KvBytesRead = Check.Saturated(c.KvBytesRead);
            WeightBytesRead = Check.Saturated(c.WeightBytesRead);
        }

        /// <summary>Of the prompt.</summary>
        public long PromptTokens { get; }

        /// <summary>Of them, computed so far; not those that another session had computed.</summary>
        public long PrefilledTokens { get; }

        /// <summary>Drawn so far.</summary>
        public long GeneratedTokens { get; }

        /// <summary>From submission; 0 before it.</summary>
        public long TimeToFirstTokenUs { get; }

        /// <summary>Inside prefill steps.</summary>
        public long PrefillUs { get; }

        /// <summary>Inside decode steps.</summary>
        public long DecodeUs { get; }

        /// <summary>KV bytes that attention read.</summary>
        public long KvBytesRead { get; }

        /// <summary>Weight bytes that the steps read, shared ones once a step.</summary>
        public long WeightBytesRead { get; }
    }
}
