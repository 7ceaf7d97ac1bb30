package io.leoam;

/**
 * What an instance is made of.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class InstanceOptions {
  private int nThreads;
  private String cpuLevel = "";
  private long hostKvBudgetBytes;
  private long diskKvBudgetBytes;
  private long diskWriteCapBytes;
  private long deviceKvBudgetBytes;
  private String stateFolder = "";
  private LogSink log;
  private LogLevel logLevel = LogLevel.WARNING;
  private boolean plaintextScratch;
  private boolean ioUring = true;
  private boolean directIo = true;

  /** All defaults. */
  public InstanceOptions() {}

  /** Threads that compute; 0: the CPUs that this process may use, at most 16. */
  public InstanceOptions nThreads(int nThreads) {
    this.nThreads = Check.count(nThreads, "nThreads");
    return this;
  }

  /** "scalar", "avx2" or "avx512"; empty: the best of the machine, at most LEOAM_CPU of the environment. */
  public InstanceOptions cpuLevel(String cpuLevel) {
    this.cpuLevel = Check.given(cpuLevel, "cpuLevel");
    return this;
  }

  /** Most bytes of KV cache in memory; 0: half of the machine's memory. */
  public InstanceOptions hostKvBudgetBytes(long hostKvBudgetBytes) {
    this.hostKvBudgetBytes = Check.count(hostKvBudgetBytes, "hostKvBudgetBytes");
    return this;
  }

  /**
   * Most bytes of KV in files: scratch and open session files; 0: half of what is free on the disk of the state
   * folder.
   */
  public InstanceOptions diskKvBudgetBytes(long diskKvBudgetBytes) {
    this.diskKvBudgetBytes = Check.count(diskKvBudgetBytes, "diskKvBudgetBytes");
    return this;
  }

  /** Most bytes that the instance may write in its life; 0: no cap. */
  public InstanceOptions diskWriteCapBytes(long diskWriteCapBytes) {
    this.diskWriteCapBytes = Check.count(diskWriteCapBytes, "diskWriteCapBytes");
    return this;
  }

  /** Most bytes of KV in the memory of a device that has its own; 0: half of it. */
  public InstanceOptions deviceKvBudgetBytes(long deviceKvBudgetBytes) {
    this.deviceKvBudgetBytes = Check.count(deviceKvBudgetBytes, "deviceKvBudgetBytes");
    return this;
  }

  /**
   * Absolute; for KV that leaves memory. Empty: $XDG_STATE_HOME/leoam, else $HOME/.local/state/leoam; made (0700)
   * when it is first needed.
   */
  public InstanceOptions stateFolder(String stateFolder) {
    this.stateFolder = Check.given(stateFolder, "stateFolder");
    return this;
  }

  /** Where messages go; null: they are dropped. */
  public InstanceOptions log(LogSink log) {
    this.log = log;
    return this;
  }

  /** Messages up to this level. */
  public InstanceOptions logLevel(LogLevel logLevel) {
    this.logLevel = Check.given(logLevel, "logLevel");
    return this;
  }

  /** KV that leaves memory is checksummed only, else encrypted with a key that only memory holds. */
  public InstanceOptions plaintextScratch(boolean plaintextScratch) {
    this.plaintextScratch = plaintextScratch;
    return this;
  }

  /** False: files are read and written by threads. */
  public InstanceOptions ioUring(boolean ioUring) {
    this.ioUring = ioUring;
    return this;
  }

  /** False: files go through the system's page cache. */
  public InstanceOptions directIo(boolean directIo) {
    this.directIo = directIo;
    return this;
  }

  String cpuLevel() {
    return cpuLevel;
  }

  String stateFolder() {
    return stateFolder;
  }

  LogSink log() {
    return log;
  }

  CInstanceOptions toC() {
    CInstanceOptions c = new CInstanceOptions();
    c.setNThreads(nThreads);
    c.setHostKvBudgetBytes(hostKvBudgetBytes);
    c.setDiskKvBudgetBytes(diskKvBudgetBytes);
    c.setDiskWriteCapBytes(diskWriteCapBytes);
    c.setDeviceKvBudgetBytes(deviceKvBudgetBytes);
    c.setLogLevel(logLevel.number());
    c.setFlags(
        (plaintextScratch ? Native.LEOAM_INSTANCE_PLAINTEXT_SCRATCH : 0)
            | (ioUring ? 0 : Native.LEOAM_INSTANCE_NO_IO_URING)
            | (directIo ? 0 : Native.LEOAM_INSTANCE_NO_DIRECT_IO));
    return c;
  }
}
