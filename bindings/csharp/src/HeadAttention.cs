using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// What one query head of one layer attended to in the newest step; all 1 where that was everything.
    /// </summary>
    public sealed class HeadAttention
    {
        internal HeadAttention(CHeadAttention c)
        {
            Coverage = c.Coverage;
            Captured = c.Captured;
            AttendedShare = c.AttendedShare;
        }

        /// <summary>Certain share of the head's attention.</summary>
        public float Coverage { get; }

        /// <summary>
        /// The true share; -1 when the step was not audited (<see cref="EvaluateOptions.Audit"/>).
        /// </summary>
        public float Captured { get; }

        /// <summary>Of the context.</summary>
        public float AttendedShare { get; }
    }
}
