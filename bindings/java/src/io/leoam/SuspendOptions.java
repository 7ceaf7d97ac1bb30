package io.leoam;

/**
 * How a session is suspended.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class SuspendOptions {
  private Progress onProgress;
  private CancelFlag cancel;

  /** All defaults. */
  public SuspendOptions() {}

  /** Bytes of KV done and in all. */
  public SuspendOptions onProgress(Progress onProgress) {
    this.onProgress = onProgress;
    return this;
  }

  /** The call watches it. */
  public SuspendOptions cancel(CancelFlag cancel) {
    this.cancel = cancel;
    return this;
  }

  Progress onProgress() {
    return onProgress;
  }

  CSuspendOptions toC() {
    long flag = CancelFlag.handle(cancel);
    CSuspendOptions c = new CSuspendOptions();
    c.setCancel(flag);
    return c;
  }
}
