package io.leoam;

/**
 * What a plan is made for.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class PlanOptions {
  private KvType kvType = KvType.DEFAULT;
  private long contextTokens;
  private int pageTokens;
  private long hostKvBudgetBytes;
  private long diskKvBudgetBytes;
  private boolean speed;
  private boolean saved;
  private CancelFlag cancel;

  /** All defaults. */
  public PlanOptions() {}

  /** What keys and values are kept as. */
  public PlanOptions kvType(KvType kvType) {
    this.kvType = Check.given(kvType, "kvType");
    return this;
  }

  /** 0: the model's own. */
  public PlanOptions contextTokens(long contextTokens) {
    this.contextTokens = Check.count(contextTokens, "contextTokens");
    return this;
  }

  /** 16, 32, 64 or 128; 0: 32. */
  public PlanOptions pageTokens(int pageTokens) {
    this.pageTokens = Check.count(pageTokens, "pageTokens");
    return this;
  }

  /** 0: that of the instance. */
  public PlanOptions hostKvBudgetBytes(long hostKvBudgetBytes) {
    this.hostKvBudgetBytes = Check.count(hostKvBudgetBytes, "hostKvBudgetBytes");
    return this;
  }

  /** 0: that of the instance. */
  public PlanOptions diskKvBudgetBytes(long diskKvBudgetBytes) {
    this.diskKvBudgetBytes = Check.count(diskKvBudgetBytes, "diskKvBudgetBytes");
    return this;
  }

  /** Speeds too: measures the machine once, within 5 s, and keeps the result. */
  public PlanOptions speed(boolean speed) {
    this.speed = speed;
    return this;
  }

  /** The session is saved in a file at the end. */
  public PlanOptions saved(boolean saved) {
    this.saved = saved;
    return this;
  }

  /** The measuring watches it. */
  public PlanOptions cancel(CancelFlag cancel) {
    this.cancel = cancel;
    return this;
  }

  CPlanOptions toC() {
    long flag = CancelFlag.handle(cancel);
    CPlanOptions c = new CPlanOptions();
    c.setKvType(kvType.number());
    c.setContextTokens(contextTokens);
    c.setPageTokens(pageTokens);
    c.setHostKvBudgetBytes(hostKvBudgetBytes);
    c.setDiskKvBudgetBytes(diskKvBudgetBytes);
    c.setFlags((speed ? Native.LEOAM_PLAN_SPEED : 0) | (saved ? Native.LEOAM_PLAN_SAVED : 0));
    c.setCancel(flag);
    return c;
  }
}
