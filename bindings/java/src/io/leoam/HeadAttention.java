package io.leoam;

/**
 * What one query head of one layer attended to in the newest step; all 1 where that was everything.
 *
 * @param coverage certain share of the head's attention
 * @param captured the true share; -1 when the step was not audited ({@link EvaluateOptions#audit})
 * @param attendedShare of the context
 */
public record HeadAttention(
    float coverage,
    float captured,
    float attendedShare) {
  static HeadAttention of(CHeadAttention c) {
    return new HeadAttention(
        c.getCoverage(),
        c.getCaptured(),
        c.getAttendedShare());
  }
}
