using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>One event of a request. Text is whole characters, never part of a stop string.</summary>
    public sealed class Event
    {
        internal Event(CEvent c)
        {
            Kind = (EventKind)c.Kind;
            Token = checked((int)c.Token);
            Text = Utf8.Decode(c.Text);
            FinishReason = (FinishReason)c.FinishReason;
            DoneTokens = Check.Saturated(c.DoneTokens);
            TotalTokens = Check.Saturated(c.TotalTokens);
            Coverage = c.Coverage;
        }

        /// <summary>What it tells.</summary>
        public EventKind Kind { get; }

        /// <summary>Of a token, else -1.</summary>
        public int Token { get; }

        /// <summary>
        /// Of a token: what became complete with it, may be empty; of the last: what was held back until then.
        /// </summary>
        public string Text { get; }

        /// <summary>Of the last, else <see cref="FinishReason.None"/>.</summary>
        public FinishReason FinishReason { get; }

        /// <summary>Of the prompt; of a token: generated so far.</summary>
        public long DoneTokens { get; }

        /// <summary>Of the prompt; of a token: <see cref="RequestOptions.MaxTokens"/>.</summary>
        public long TotalTokens { get; }

        /// <summary>
        /// Of a token: of the step that it was drawn from, the least of all layers and heads; else 1.
        /// </summary>
        public float Coverage { get; }
    }
}
