package io.leoam;

import java.util.EnumMap;
import java.util.Map;

/**
 * Why old pages become what they do with {@link KvType#AUTO}: expectations for the next token when it was decided last;
 * zeros where nothing was to be decided yet.
 *
 * @param kvType F16, K8V8, K8V4 or K4V4; DEFAULT: not decided
 * @param nTokens of the context
 * @param hostKvBudgetBytes {@link Instance#UNLIMITED}: not bounded
 * @param diskReadBytesPerSecond 0: the machine has not been measured, or has no disk tier
 * @param expectations of the four; those that were not looked at are missing
 */
public record KvChoice(
    KvType kvType,
    long nTokens,
    long hostKvBudgetBytes,
    double diskReadBytesPerSecond,
    Map<KvType, Expectation> expectations) {
  static KvChoice of(CKvChoice c) {
    return new KvChoice(
        KvType.of(c.getKvType()),
        Check.unsigned(c.getNTokens()),
        Check.unsigned(c.getHostKvBudgetBytes()),
        c.getDiskReadBytesPerSecond(),
        expectations(c));
  }

  /**
   * What the next token would take.
   *
   * @param decodeSeconds in all
   * @param readBytes from disk
   */
  public record Expectation(double decodeSeconds, long readBytes) {}

  private static Map<KvType, Expectation> expectations(CKvChoice c) {
    KvType[] order = {KvType.F16, KvType.K8V8, KvType.K8V4, KvType.K4V4};
    Map<KvType, Expectation> all = new EnumMap<>(KvType.class);
    for (int i = 0; i < order.length; ++i) {
      if (c.decodeSecondsOf(i) > 0) {
        all.put(order[i], new Expectation(c.decodeSecondsOf(i), Check.unsigned(c.readBytesOf(i))));
      }
    }
    return all;
  }
}
