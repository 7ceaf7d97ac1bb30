package io.leoam;

/**
 * A generation that has finished.
 *
 * @param text all of it
 * @param tokens in order
 * @param finishReason why it ended
 * @param statistics of its request
 */
public record Generation(
    String text,
    int[] tokens,
    FinishReason finishReason,
    RequestStatistics statistics) {
}
