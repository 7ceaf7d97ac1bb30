using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What an instance has and has done so far.</summary>
    public sealed class InstanceStatistics
    {
        internal InstanceStatistics(CInstanceStatistics c)
        {
            NThreads = checked((int)c.NThreads);
            HostKvBudgetBytes = Check.Saturated(c.HostKvBudgetBytes);
            HostKvBytes = Check.Saturated(c.HostKvBytes);
            HostKvPeakBytes = Check.Saturated(c.HostKvPeakBytes);
            WeightBytes = Check.Saturated(c.WeightBytes);
            WorkspaceBytes = Check.Saturated(c.WorkspaceBytes);
            NSteps = Check.Saturated(c.NSteps);
            DiskKvBudgetBytes = Check.Saturated(c.DiskKvBudgetBytes);
            DiskKvBytes = Check.Saturated(c.DiskKvBytes);
            DiskWrittenBytes = Check.Saturated(c.DiskWrittenBytes);
            DiskWriteCapBytes = Check.Saturated(c.DiskWriteCapBytes);
            DiskReadBytes = Check.Saturated(c.DiskReadBytes);
            NDiskReads = Check.Saturated(c.NDiskReads);
            StallUs = Check.Saturated(c.StallUs);
            NPagesHit = Check.Saturated(c.NPagesHit);
            NPagesMissed = Check.Saturated(c.NPagesMissed);
            NPagesAhead = Check.Saturated(c.NPagesAhead);
            NPagesDamaged = Check.Saturated(c.NPagesDamaged);
            RecomputedTokens = Check.Saturated(c.RecomputedTokens);
            DeviceKvBudgetBytes = Check.Saturated(c.DeviceKvBudgetBytes);
            DeviceKvBytes = Check.Saturated(c.DeviceKvBytes);
            DeviceKvPeakBytes = Check.Saturated(c.DeviceKvPeakBytes);
            RaisedBytes = Check.Saturated(c.RaisedBytes);
            LoweredBytes = Check.Saturated(c.LoweredBytes);
            KvReadBytes = Check.Saturated(c.KvReadBytes);
            RecordReadBytes = Check.Saturated(c.RecordReadBytes);
            CodeReadBytes = Check.Saturated(c.CodeReadBytes);
            ReadingUs = Check.Saturated(c.ReadingUs);
        }

        /// <summary>That compute.</summary>
        public int NThreads { get; }

        /// <summary>Most bytes of KV in memory.</summary>
        public long HostKvBudgetBytes { get; }

        /// <summary>In use by all sessions now: pages, tables, buffers of transfers.</summary>
        public long HostKvBytes { get; }

        /// <summary>At most so far.</summary>
        public long HostKvPeakBytes { get; }

        /// <summary>Of all loaded models, in memory.</summary>
        public long WeightBytes { get; }

        /// <summary>Scratch of the forward pass.</summary>
        public long WorkspaceBytes { get; }

        /// <summary>Forward passes.</summary>
        public long NSteps { get; }

        /// <summary>Most bytes of KV in files.</summary>
        public long DiskKvBudgetBytes { get; }

        /// <summary>Of scratch and open session files now.</summary>
        public long DiskKvBytes { get; }

        /// <summary>Of whatever purpose.</summary>
        public long DiskWrittenBytes { get; }

        /// <summary><see cref="Instance.Unlimited"/>: none.</summary>
        public long DiskWriteCapBytes { get; }

        /// <summary>KV pages read.</summary>
        public long DiskReadBytes { get; }

        /// <summary>Requests for them; adjacent pages are one.</summary>
        public long NDiskReads { get; }

        /// <summary>Forward passes have waited so long for files.</summary>
        public long StallUs { get; }

        /// <summary>Pages that were asked for and in memory.</summary>
        public long NPagesHit { get; }

        /// <summary>Read when they were asked for.</summary>
        public long NPagesMissed { get; }

        /// <summary>Read before.</summary>
        public long NPagesAhead { get; }

        /// <summary>That had no whole copy.</summary>
        public long NPagesDamaged { get; }

        /// <summary>Computed again to replace damaged pages.</summary>
        public long RecomputedTokens { get; }

        /// <summary>0: the device computes in memory, as are those below.</summary>
        public long DeviceKvBudgetBytes { get; }

        /// <summary>In use now.</summary>
        public long DeviceKvBytes { get; }

        /// <summary>At most so far.</summary>
        public long DeviceKvPeakBytes { get; }

        /// <summary>Of KV, copied from memory to the device.</summary>
        public long RaisedBytes { get; }

        /// <summary>And back.</summary>
        public long LoweredBytes { get; }

        /// <summary>Of <see cref="DiskReadBytes"/>, KV.</summary>
        public long KvReadBytes { get; }

        /// <summary>Of <see cref="DiskReadBytes"/>, bounds with means.</summary>
        public long RecordReadBytes { get; }

        /// <summary>Of <see cref="DiskReadBytes"/>, codes of keys.</summary>
        public long CodeReadBytes { get; }

        /// <summary>Something was on its way from files so long.</summary>
        public long ReadingUs { get; }
    }
}
