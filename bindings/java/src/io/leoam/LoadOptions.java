package io.leoam;

/**
 * How a model is loaded, and what of its file is overridden.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class LoadOptions {
  private RopeScaling ropeScaling = RopeScaling.FROM_FILE;
  private float ropeFactor;
  private float ropeBase;
  private int ropeOriginalContextTokens;
  private int contextTokens;
  private boolean headerOnly;
  private Progress onProgress;
  private CancelFlag cancel;

  /** All defaults. */
  public LoadOptions() {}

  /** Overrides what the file says. */
  public LoadOptions ropeScaling(RopeScaling ropeScaling) {
    this.ropeScaling = Check.given(ropeScaling, "ropeScaling");
    return this;
  }

  /** Context extension factor, at least 1; 0: as in the file. */
  public LoadOptions ropeFactor(float ropeFactor) {
    this.ropeFactor = ropeFactor;
    return this;
  }

  /** Above 0; 0: as in the file. */
  public LoadOptions ropeBase(float ropeBase) {
    this.ropeBase = ropeBase;
    return this;
  }

  /** 0: as in the file. */
  public LoadOptions ropeOriginalContextTokens(int ropeOriginalContextTokens) {
    this.ropeOriginalContextTokens = Check.count(ropeOriginalContextTokens, "ropeOriginalContextTokens");
    return this;
  }

  /** 0: as in the file. */
  public LoadOptions contextTokens(int contextTokens) {
    this.contextTokens = Check.count(contextTokens, "contextTokens");
    return this;
  }

  /** No weights: such a model has information and metadata only. */
  public LoadOptions headerOnly(boolean headerOnly) {
    this.headerOnly = headerOnly;
    return this;
  }

  /** Bytes done and in all. */
  public LoadOptions onProgress(Progress onProgress) {
    this.onProgress = onProgress;
    return this;
  }

  /** Loading ends within 100 ms of it. */
  public LoadOptions cancel(CancelFlag cancel) {
    this.cancel = cancel;
    return this;
  }

  Progress onProgress() {
    return onProgress;
  }

  CLoadOptions toC() {
    long flag = CancelFlag.handle(cancel);
    CLoadOptions c = new CLoadOptions();
    c.setRopeScaling(ropeScaling.number());
    c.setRopeFactor(ropeFactor);
    c.setRopeBase(ropeBase);
    c.setRopeOriginalContextTokens(ropeOriginalContextTokens);
    c.setContextTokens(contextTokens);
    c.setFlags(headerOnly ? Native.LEOAM_LOAD_HEADER_ONLY : 0);
    c.setCancel(flag);
    return c;
  }
}
