package io.leoam;

/** Is told logits while tokens are evaluated, on the thread of the call. */
@FunctionalInterface
public interface LogitsFunction {
  /** {@code logits} [nVocab] of a position, in ascending order; valid during the call. False stops the work. */
  boolean onLogits(long position, float[] logits);
}
