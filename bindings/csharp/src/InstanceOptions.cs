using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What an instance is made of.</summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class InstanceOptions
    {
        /// <summary>Threads that compute; 0: the CPUs that this process may use, at most 16.</summary>
        public int NThreads { get; set; }

        /// <summary>
        /// "scalar", "avx2" or "avx512"; empty: the best of the machine, at most LEOAM_CPU of the environment.
        /// </summary>
        public string CpuLevel { get; set; } = "";

        /// <summary>Most bytes of KV cache in memory; 0: half of the machine's memory.</summary>
        public long HostKvBudgetBytes { get; set; }

        /// <summary>
        /// Most bytes of KV in files: scratch and open session files; 0: half of what is free on the disk of
        /// the state folder.
        /// </summary>
        public long DiskKvBudgetBytes { get; set; }

        /// <summary>Most bytes that the instance may write in its life; 0: no cap.</summary>
        public long DiskWriteCapBytes { get; set; }

        /// <summary>Most bytes of KV in the memory of a device that has its own; 0: half of it.</summary>
        public long DeviceKvBudgetBytes { get; set; }

        /// <summary>
        /// Absolute; for KV that leaves memory. Empty: $XDG_STATE_HOME/leoam, else $HOME/.local/state/leoam;
        /// made (0700) when it is first needed.
        /// </summary>
        public string StateFolder { get; set; } = "";

        /// <summary>Where messages go; null: they are dropped.</summary>
        public LogFunction Log { get; set; }

        /// <summary>Messages up to this level.</summary>
        public LogLevel LogLevel { get; set; } = LogLevel.Warning;

        /// <summary>
        /// KV that leaves memory is checksummed only, else encrypted with a key that only memory holds.
        /// </summary>
        public bool PlaintextScratch { get; set; }

        /// <summary>False: files are read and written by threads.</summary>
        public bool IoUring { get; set; } = true;

        /// <summary>False: files go through the system's page cache.</summary>
        public bool DirectIo { get; set; } = true;

        internal CInstanceOptions ToC()
        {
            return new CInstanceOptions
            {
                NThreads = Check.Count(NThreads, nameof(NThreads)),
                HostKvBudgetBytes = Check.Size(HostKvBudgetBytes, nameof(HostKvBudgetBytes)),
                DiskKvBudgetBytes = Check.Size(DiskKvBudgetBytes, nameof(DiskKvBudgetBytes)),
                DiskWriteCapBytes = Check.Size(DiskWriteCapBytes, nameof(DiskWriteCapBytes)),
                DeviceKvBudgetBytes = Check.Size(DeviceKvBudgetBytes, nameof(DeviceKvBudgetBytes)),
                LogLevel = (int)LogLevel,
                Flags = (PlaintextScratch ? Native.LEOAM_INSTANCE_PLAINTEXT_SCRATCH : 0) |
                    (IoUring ? 0 : Native.LEOAM_INSTANCE_NO_IO_URING) |
                    (DirectIo ? 0 : Native.LEOAM_INSTANCE_NO_DIRECT_IO),
            };
        }
    }
}
