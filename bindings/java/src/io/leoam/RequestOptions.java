package io.leoam;

import java.util.List;

/**
 * One generation.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class RequestOptions {
  private int[] prompt;
  private int maxTokens;
  private SamplerOptions sampler = new SamplerOptions();
  private List<String> stop = List.of();
  private boolean ignoreEnd;
  private boolean showSpecial;
  private boolean prefillOnly;
  private Delivery delivery = Delivery.POLL;
  private EventFunction onEvent;
  private SamplerFunction onLogits;

  /** Continues a session that has logits. */
  public RequestOptions() {
    this(new int[0]);
  }

  /** The prompt is appended to the session first. */
  public RequestOptions(int[] prompt) {
    this.prompt = Check.given(prompt, "prompt").clone();
  }

  /** Most tokens to generate; 0: 256. */
  public RequestOptions maxTokens(int maxTokens) {
    this.maxTokens = Check.count(maxTokens, "maxTokens");
    return this;
  }

  /** How tokens are drawn; greedy by default. */
  public RequestOptions sampler(SamplerOptions sampler) {
    this.sampler = Check.given(sampler, "sampler");
    return this;
  }

  /** Texts that end the generation and are not told: at most 64 of 1 to 256 bytes. */
  public RequestOptions stop(List<String> stop) {
    this.stop = List.copyOf(Check.given(stop, "stop"));
    return this;
  }

  /** Tokens that end generation do not stop and are passed on. */
  public RequestOptions ignoreEnd(boolean ignoreEnd) {
    this.ignoreEnd = ignoreEnd;
    return this;
  }

  /** Spells out control tokens in the text. */
  public RequestOptions showSpecial(boolean showSpecial) {
    this.showSpecial = showSpecial;
    return this;
  }

  /** Finishes with LENGTH after the prompt; maxTokens does not count. */
  public RequestOptions prefillOnly(boolean prefillOnly) {
    this.prefillOnly = prefillOnly;
    return this;
  }

  /** How events come; {@link #onEvent} sets {@link Delivery#CALLBACK}. */
  public RequestOptions delivery(Delivery delivery) {
    this.delivery = Check.given(delivery, "delivery");
    return this;
  }

  /** Changes logits before each draw. */
  public RequestOptions onLogits(SamplerFunction onLogits) {
    this.onLogits = onLogits;
    return this;
  }

  /** Takes events of {@link Delivery#CALLBACK}, which this sets. */
  public RequestOptions onEvent(EventFunction onEvent) {
    this.onEvent = Check.given(onEvent, "onEvent");
    this.delivery = Delivery.CALLBACK;
    return this;
  }

  int[] prompt() {
    return prompt;
  }

  SamplerOptions sampler() {
    return sampler;
  }

  List<String> stop() {
    return stop;
  }

  Delivery delivery() {
    return delivery;
  }

  Callbacks.Functions functions() {
    Callbacks.Functions functions = new Callbacks.Functions();
    functions.event = onEvent;
    functions.sampler = onLogits;
    return functions;
  }

  CRequestOptions toC() {
    CRequestOptions c = new CRequestOptions();
    c.setFlags(
        (ignoreEnd ? Native.LEOAM_REQUEST_IGNORE_END : 0)
            | (showSpecial ? Native.LEOAM_REQUEST_SHOW_SPECIAL : 0)
            | (prefillOnly ? Native.LEOAM_REQUEST_PREFILL_ONLY : 0));
    c.setMaxTokens(prefillOnly ? 0 : maxTokens);
    return c;
  }
}
