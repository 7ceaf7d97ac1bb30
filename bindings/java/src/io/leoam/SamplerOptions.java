package io.leoam;

/**
 * How a token is drawn. The stages run in this order: penalty, temperature, top-k, top-p, min-p, draw.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class SamplerOptions {
  private float temperature;
  private int topK;
  private float topP;
  private float minP;
  private float repetitionPenalty;
  private int repetitionWindowTokens;
  private long seed;

  /** All defaults. */
  public SamplerOptions() {}

  /** 0: greedy, the lowest id among equals; the stages below are off. */
  public SamplerOptions temperature(float temperature) {
    this.temperature = temperature;
    return this;
  }

  /** 0: off. */
  public SamplerOptions topK(int topK) {
    this.topK = Check.count(topK, "topK");
    return this;
  }

  /** 0 or 1: off. */
  public SamplerOptions topP(float topP) {
    this.topP = topP;
    return this;
  }

  /** Relative to the most likely token; 0: off. */
  public SamplerOptions minP(float minP) {
    this.minP = minP;
    return this;
  }

  /** Works when greedy too; 0 or 1: off. */
  public SamplerOptions repetitionPenalty(float repetitionPenalty) {
    this.repetitionPenalty = repetitionPenalty;
    return this;
  }

  /** How far back the penalty looks; 0: 64. */
  public SamplerOptions repetitionWindowTokens(int repetitionWindowTokens) {
    this.repetitionWindowTokens = Check.count(repetitionWindowTokens, "repetitionWindowTokens");
    return this;
  }

  /** All 64 bits count: the same seed, logits and options give the same tokens. */
  public SamplerOptions seed(long seed) {
    this.seed = seed;
    return this;
  }

  CSamplerOptions toC() {
    CSamplerOptions c = new CSamplerOptions();
    c.setTemperature(temperature);
    c.setTopK(topK);
    c.setTopP(topP);
    c.setMinP(minP);
    c.setRepetitionPenalty(repetitionPenalty);
    c.setRepetitionWindowTokens(repetitionWindowTokens);
    c.setSeed(seed);
    return c;
  }
}
