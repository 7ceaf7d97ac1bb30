using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>One layer of the newest step. Times are in microseconds since the step began.</summary>
    public sealed class LayerTimes
    {
        internal LayerTimes(CLayerTimes c)
        {
            Layer = checked((int)c.Layer);
            BeginUs = Check.Saturated(c.BeginUs);
            EndUs = Check.Saturated(c.EndUs);
            ComputingUs = Check.Saturated(c.ComputingUs);
            WaitingUs = Check.Saturated(c.WaitingUs);
            DemandBytes = Check.Saturated(c.DemandBytes);
            AheadBytes = Check.Saturated(c.AheadBytes);
            SentUs = c.SentUs;
            ArrivedUs = c.ArrivedUs;
        }

        /// <summary>Its index.</summary>
        public int Layer { get; }

        /// <summary>When it began.</summary>
        public long BeginUs { get; }

        /// <summary>And ended.</summary>
        public long EndUs { get; }

        /// <summary>Without waiting and pauses.</summary>
        public long ComputingUs { get; }

        /// <summary>For pages from slower tiers.</summary>
        public long WaitingUs { get; }

        /// <summary>KV and abstracts that were sent for when they were needed.</summary>
        public long DemandBytes { get; }

        /// <summary>And those before.</summary>
        public long AheadBytes { get; }

        /// <summary>The first of them was sent for; below 0 when the step had not begun.</summary>
        public long SentUs { get; }

        /// <summary>The last was in place; both 0: nothing was brought in.</summary>
        public long ArrivedUs { get; }
    }
}
