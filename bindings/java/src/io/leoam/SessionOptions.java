package io.leoam;

/**
 * What a session keeps, and which of it a drawn token attends to.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class SessionOptions {
  private KvType kvType = KvType.DEFAULT;
  private String policy = "";
  private int pageTokens;
  private int contextTokens;
  private int pieceTokens;
  private double importance;
  private int budgetTokens;
  private int nChannels;
  private double breadth;
  private double pageSpread;
  private double coverageFloor;
  private double mostKvDivergence;
  private long sparsePrefillTokens;

  /** All defaults. */
  public SessionOptions() {}

  /** What keys and values are kept as. */
  public SessionOptions kvType(KvType kvType) {
    this.kvType = Check.given(kvType, "kvType");
    return this;
  }

  /** Which KV a drawn token attends to: "exact" (empty means it), "leoam", "quest", "window", "h2o". */
  public SessionOptions policy(String policy) {
    this.policy = Check.given(policy, "policy");
    return this;
  }

  /** 16, 32, 64 or 128; 0: 32. */
  public SessionOptions pageTokens(int pageTokens) {
    this.pageTokens = Check.count(pageTokens, "pageTokens");
    return this;
  }

  /** Most tokens that the session may hold; 0: the model's context. */
  public SessionOptions contextTokens(int contextTokens) {
    this.contextTokens = Check.count(contextTokens, "contextTokens");
    return this;
  }

  /**
   * Tokens of a prefill piece; 0: the library's choice. Logits are byte-identical for one number, whatever the
   * budgets, and agree within 1e-3 in log-probability between numbers.
   */
  public SessionOptions pieceTokens(int pieceTokens) {
    this.pieceTokens = Check.count(pieceTokens, "pieceTokens");
    return this;
  }

  /**
   * Share of the context that a policy attends to in a layer, on average over its KV heads: above 0, at most 1; 0:
   * 0.1.
   */
  public SessionOptions importance(double importance) {
    this.importance = importance;
    return this;
  }

  /** The same as a number of tokens; 0: by importance. */
  public SessionOptions budgetTokens(int budgetTokens) {
    this.budgetTokens = Check.count(budgetTokens, "budgetTokens");
    return this;
  }

  /**
   * Of "leoam": channels of a key that have codes; more cost time and room, and find the right tokens more often; 0:
   * half of them.
   */
  public SessionOptions nChannels(int nChannels) {
    this.nChannels = Check.count(nChannels, "nChannels");
    return this;
  }

  /** Of "leoam": codes are read of so many times the tokens attended to; above 0; 0: 12. */
  public SessionOptions breadth(double breadth) {
    this.breadth = breadth;
    return this;
  }

  /** Of "leoam": what is attended to comes from at most so many pages as it would fill; 0: from any. */
  public SessionOptions pageSpread(double pageSpread) {
    this.pageSpread = pageSpread;
    return this;
  }

  /** More is attended to while the coverage of some head is below: at least 0 (no floor), below 1. */
  public SessionOptions coverageFloor(double coverageFloor) {
    this.coverageFloor = coverageFloor;
    return this;
  }

  /** Of {@link KvType#AUTO}: of what is drawn, from F16, that a codec may cost (KL); 0: 0.0005. */
  public SessionOptions mostKvDivergence(double mostKvDivergence) {
    this.mostKvDivergence = mostKvDivergence;
    return this;
  }

  /**
   * Of "leoam" and "quest": pieces of a prompt with so many tokens before them or more attend to a selection too; 0:
   * prompts attend to everything.
   */
  public SessionOptions sparsePrefillTokens(long sparsePrefillTokens) {
    this.sparsePrefillTokens = Check.count(sparsePrefillTokens, "sparsePrefillTokens");
    return this;
  }

  String policy() {
    return policy;
  }

  CSessionOptions toC() {
    CSessionOptions c = new CSessionOptions();
    c.setKvType(kvType.number());
    c.setPageTokens(pageTokens);
    c.setContextTokens(contextTokens);
    c.setPieceTokens(pieceTokens);
    c.setImportance(importance);
    c.setBudgetTokens(budgetTokens);
    c.setNChannels(nChannels);
    c.setBreadth(breadth);
    c.setPageSpread(pageSpread);
    c.setCoverageFloor(coverageFloor);
    c.setMostKvDivergence(mostKvDivergence);
    c.setSparsePrefillTokens(sparsePrefillTokens);
    return c;
  }
}
