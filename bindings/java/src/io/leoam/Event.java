package io.leoam;

/**
 * One event of a request. Text is whole characters, never part of a stop string.
 *
 * @param kind what it tells
 * @param token of TOKEN, else -1
 * @param text of TOKEN: what became complete with it, may be empty; of FINISHED: what was held back until then
 * @param finishReason of FINISHED, else NONE
 * @param doneTokens of the prompt; of TOKEN: generated so far
 * @param totalTokens of the prompt; of TOKEN: maxTokens
 * @param coverage of TOKEN: of the step that it was drawn from, the least of all layers and heads; else 1
 */
public record Event(
    EventKind kind,
    int token,
    String text,
    FinishReason finishReason,
    long doneTokens,
    long totalTokens,
    float coverage) {
  static Event of(CEvent c) {
    return new Event(
        EventKind.of(c.getKind()),
        Math.toIntExact(c.getToken()),
        Utf8.string(c.getText()),
        FinishReason.of(c.getFinishReason()),
        Check.unsigned(c.getDoneTokens()),
        Check.unsigned(c.getTotalTokens()),
        c.getCoverage());
  }
}
