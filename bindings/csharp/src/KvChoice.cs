using System.Collections.Generic;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// Why old pages become what they do with <see cref="KvType.Auto"/>: expectations for the next token when it was
    /// decided last; zeros where nothing was to be decided yet.
    /// </summary>
    public sealed class KvChoice
    {
        // As the C interface has them.
        private static readonly KvType[] Order = { KvType.F16, KvType.K8V8, KvType.K8V4, KvType.K4V4 };

        internal KvChoice(CKvChoice c)
        {
            KvType = (KvType)c.KvType;
            NTokens = Check.Saturated(c.NTokens);
            HostKvBudgetBytes = Check.Saturated(c.HostKvBudgetBytes);
            DiskReadBytesPerSecond = c.DiskReadBytesPerSecond;
            var all = new Dictionary<KvType, Expectation>();
            for (int i = 0; i < Order.Length; ++i)
            {
                if (c.DecodeSecondsOf(i) > 0)
                {
                    all[Order[i]] = new Expectation(c.DecodeSecondsOf(i), Check.Saturated(c.ReadBytesOf(i)));
                }
            }
            Expectations = all;
        }

        /// <summary>F16, K8V8, K8V4 or K4V4; Default: not decided.</summary>
        public KvType KvType { get; }

        /// <summary>Of the context.</summary>
        public long NTokens { get; }

        /// <summary><see cref="Instance.Unlimited"/>: not bounded.</summary>
        public long HostKvBudgetBytes { get; }

        /// <summary>0: the machine has not been measured, or has no disk tier.</summary>
        public double DiskReadBytesPerSecond { get; }

        /// <summary>Of the four; those that were not looked at are missing.</summary>
        public IReadOnlyDictionary<KvType, Expectation> Expectations { get; }

        /// <summary>What the next token would take.</summary>
        public sealed class Expectation
        {
            internal Expectation(double decodeSeconds, long readBytes)
            {
                DecodeSeconds = decodeSeconds;
                ReadBytes = readBytes;
            }

            /// <summary>In all.</summary>
            public double DecodeSeconds { get; }

            /// <summary>From disk.</summary>
            public long ReadBytes { get; }
        }
    }
}
