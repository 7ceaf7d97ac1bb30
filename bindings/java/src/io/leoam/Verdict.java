package io.leoam;

import java.util.List;
import java.util.OptionalLong;

/**
 * What a check of a session file has found.
 *
 * @param whole everything that was saved is there and right
 * @param nPages checked
 * @param nBadPages damaged
 * @param nMissingPages not there
 * @param firstBadToken the first without whole KV
 * @param nRecomputeTokens what an opened session computes again before it goes on
 * @param nFindings in all
 * @param findings sentences, at most 32
 */
public record Verdict(
    boolean whole,
    long nPages,
    long nBadPages,
    long nMissingPages,
    OptionalLong firstBadToken,
    long nRecomputeTokens,
    long nFindings,
    List<String> findings) {
  static Verdict of(CVerdict c, List<String> findings) {
    long first = c.getFirstBadToken();
    return new Verdict(
        c.getWhole() != 0,
        Check.unsigned(c.getNPages()),
        Check.unsigned(c.getNBadPages()),
        Check.unsigned(c.getNMissingPages()),
        first == -1 ? OptionalLong.empty() : OptionalLong.of(first),
        Check.unsigned(c.getNRecomputeTokens()),
        Check.unsigned(c.getNFindings()),
        List.copyOf(findings));
  }
}
