package io.leoam;

/** Changes logits before a token is drawn, on the thread that computes. */
@FunctionalInterface
public interface SamplerFunction {
  /** {@code logits} [nVocab] may be changed in place and is valid during the call. False stops the generation. */
  boolean adjust(float[] logits);
}
