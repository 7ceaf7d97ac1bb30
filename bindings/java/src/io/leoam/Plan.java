package io.leoam;

/**
 * What a model and a context will need.
 *
 * @param fits all KV stays in memory
 * @param contextTokens of the plan
 * @param weightBytes in memory
 * @param kvTokenBytes one token, all layers
 * @param kvBytes at contextTokens, in whole pages
 * @param workspaceBytes scratch of the forward pass
 * @param totalBytes weights, scratch and KV in memory
 * @param fittingTokens the longest context of which all KV stays in memory
 * @param fittingWithDiskTokens the longest that memory and disk hold together
 * @param hostKvBytes all that KV causes in memory, at most
 * @param diskKvBytes files
 * @param sessionFileBytes of diskKvBytes, with {@link PlanOptions#saved}; else 0
 * @param diskWrittenBytes at most, by the time the context is filled (and saved)
 * @param tokenReadBytes from disk, for the next token
 * @param prefillTokensPerSecond expected, from the first token to the last; this and the next two are 0 without
 *     {@link PlanOptions#speed} and where the context does not fit
 * @param decodeTokensPerSecond expected, at contextTokens
 * @param reopenSeconds expected, of a saved session until its first pass can start
 * @param pieceTokens of a prefill piece, when a session leaves it to the library
 * @param kvType the one that was asked for, or chosen; never AUTO
 */
public record Plan(
    boolean fits,
    long contextTokens,
    long weightBytes,
    long kvTokenBytes,
    long kvBytes,
    long workspaceBytes,
    long totalBytes,
    long fittingTokens,
    long fittingWithDiskTokens,
    long hostKvBytes,
    long diskKvBytes,
    long sessionFileBytes,
    long diskWrittenBytes,
    long tokenReadBytes,
    double prefillTokensPerSecond,
    double decodeTokensPerSecond,
    double reopenSeconds,
    int pieceTokens,
    KvType kvType) {
  static Plan of(CPlan c) {
    return new Plan(
        c.getFits() != 0,
        Check.unsigned(c.getContextTokens()),
        Check.unsigned(c.getWeightBytes()),
        Check.unsigned(c.getKvTokenBytes()),
        Check.unsigned(c.getKvBytes()),
        Check.unsigned(c.getWorkspaceBytes()),
        Check.unsigned(c.getTotalBytes()),
        Check.unsigned(c.getFittingTokens()),
        Check.unsigned(c.getFittingWithDiskTokens()),
        Check.unsigned(c.getHostKvBytes()),
        Check.unsigned(c.getDiskKvBytes()),
        Check.unsigned(c.getSessionFileBytes()),
        Check.unsigned(c.getDiskWrittenBytes()),
        Check.unsigned(c.getTokenReadBytes()),
        c.getPrefillTokensPerSecond(),
        c.getDecodeTokensPerSecond(),
        c.getReopenSeconds(),
        Math.toIntExact(c.getPieceTokens()),
        KvType.of(c.getKvType()));
  }
}
