package io.leoam;

/**
 * What a session has. Sums are over tokens and the layers that select; 0 with "exact".
 *
 * @param kvType what it is now
 * @param policy which KV a drawn token attends to
 * @param nTokens of the sequence; the last drawn ones may have no KV yet
 * @param contextTokens most tokens it may hold
 * @param kvBytes in memory and in files
 * @param pageTokens of a page
 * @param nVocab length of every array of logits
 * @param hasFile it was saved, or opened from a file
 * @param pieceTokens of a prefill piece
 * @param residentKvBytes of kvBytes, in memory
 * @param nSelections selections so far
 * @param nAttendedTokens mean over KV heads
 * @param nCandidateTokens the context at that time
 * @param nChunksEvaluated over all KV heads
 * @param nPagesNeeded by any KV head
 * @param nPagesFetched of KV and abstracts, where a layer was not in place as a whole
 * @param nPagesGuessed of them, those that the step before had needed too
 * @param nWidened selections that the coverage floor has made larger
 * @param coverageSum over selections, of the mean over their heads
 * @param leastCoverage of the newest step, all layers and heads; 1: everything was attended to
 * @param nAudited of nSelections, those of {@link EvaluateOptions#audit}
 * @param capturedSum over these, of the mean over their heads
 * @param nPrefillAttendedTokens of prompts read with {@link SessionOptions#sparsePrefillTokens}, mean over KV heads
 * @param nPrefillCandidateTokens the context at that time
 */
public record SessionInfo(
    KvType kvType,
    String policy,
    long nTokens,
    long contextTokens,
    long kvBytes,
    int pageTokens,
    int nVocab,
    boolean hasFile,
    int pieceTokens,
    long residentKvBytes,
    long nSelections,
    long nAttendedTokens,
    long nCandidateTokens,
    long nChunksEvaluated,
    long nPagesNeeded,
    long nPagesFetched,
    long nPagesGuessed,
    long nWidened,
    double coverageSum,
    double leastCoverage,
    long nAudited,
    double capturedSum,
    long nPrefillAttendedTokens,
    long nPrefillCandidateTokens) {
  static SessionInfo of(CSessionInfo c) {
    return new SessionInfo(
        KvType.of(c.getKvType()),
        Utf8.string(c.getPolicy()),
        Check.unsigned(c.getNTokens()),
        Check.unsigned(c.getContextTokens()),
        Check.unsigned(c.getKvBytes()),
        Math.toIntExact(c.getPageTokens()),
        Math.toIntExact(c.getNVocab()),
        (c.getFlags() & Native.LEOAM_SESSION_HAS_FILE) != 0,
        Math.toIntExact(c.getPieceTokens()),
        Check.unsigned(c.getResidentKvBytes()),
        Check.unsigned(c.getNSelections()),
        Check.unsigned(c.getNAttendedTokens()),
        Check.unsigned(c.getNCandidateTokens()),
        Check.unsigned(c.getNChunksEvaluated()),
        Check.unsigned(c.getNPagesNeeded()),
        Check.unsigned(c.getNPagesFetched()),
        Check.unsigned(c.getNPagesGuessed()),
        Check.unsigned(c.getNWidened()),
        c.getCoverageSum(),
        c.getLeastCoverage(),
        Check.unsigned(c.getNAudited()),
        c.getCapturedSum(),
        Check.unsigned(c.getNPrefillAttendedTokens()),
        Check.unsigned(c.getNPrefillCandidateTokens()));
  }
}
