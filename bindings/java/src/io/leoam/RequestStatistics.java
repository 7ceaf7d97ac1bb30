package io.leoam;

/**
 * What a request has done so far. Times are in microseconds.
 *
 * @param promptTokens of the prompt
 * @param prefilledTokens of them, computed so far; not those that another session had computed
 * @param generatedTokens drawn so far
 * @param timeToFirstTokenUs from submission; 0 before it
 * @param prefillUs inside prefill steps
 * @param decodeUs inside decode steps
 * @param kvBytesRead KV bytes that attention read
 * @param weightBytesRead weight bytes that the steps read, shared ones once a step
 */
public record RequestStatistics(
    long promptTokens,
    long prefilledTokens,
    long generatedTokens,
    long timeToFirstTokenUs,
    long prefillUs,
    long decodeUs,
    long kvBytesRead,
    long weightBytesRead) {
  static RequestStatistics of(CRequestStatistics c) {
    return new RequestStatistics(
        Check.unsigned(c.getPromptTokens()),
        Check.unsigned(c.getPrefilledTokens()),
        Check.unsigned(c.getGeneratedTokens()),
        Check.unsigned(c.getTimeToFirstTokenUs()),
        Check.unsigned(c.getPrefillUs()),
        Check.unsigned(c.getDecodeUs()),
        Check.unsigned(c.getKvBytesRead()),
        Check.unsigned(c.getWeightBytesRead()));
  }
}
