package io.leoam;

/**
 * What an evaluation tells while it goes on.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class EvaluateOptions {
  private boolean allLogits;
  private boolean audit;
  private LogitsFunction onLogits;
  private Progress onProgress;
  private CancelFlag cancel;

  /** All defaults. */
  public EvaluateOptions() {}

  /** {@link #onLogits} for every position, not only the last. */
  public EvaluateOptions allLogits(boolean allLogits) {
    this.allLogits = allLogits;
    return this;
  }

  /**
   * Steps of one token that attend to a selection also compute which share of attention it has captured ({@link
   * Session#attention}): slow. No logits change.
   */
  public EvaluateOptions audit(boolean audit) {
    this.audit = audit;
    return this;
  }

  /** Takes logits. */
  public EvaluateOptions onLogits(LogitsFunction onLogits) {
    this.onLogits = onLogits;
    return this;
  }

  /** Tokens done and in all. */
  public EvaluateOptions onProgress(Progress onProgress) {
    this.onProgress = onProgress;
    return this;
  }

  /** The evaluation ends within 100 ms of it. */
  public EvaluateOptions cancel(CancelFlag cancel) {
    this.cancel = cancel;
    return this;
  }

  Callbacks.Functions functions() {
    Callbacks.Functions functions = Callbacks.Functions.of(onProgress);
    functions.logits = onLogits;
    return functions;
  }

  CEvaluateOptions toC() {
    long flag = CancelFlag.handle(cancel);
    CEvaluateOptions c = new CEvaluateOptions();
    c.setFlags(
        (allLogits ? Native.LEOAM_EVALUATE_ALL_LOGITS : 0) | (audit ? Native.LEOAM_EVALUATE_AUDIT : 0));
    c.setCancel(flag);
    return c;
  }
}
