package io.leoam;

/** Why a request has finished. */
public enum FinishReason implements Numbered {
  /** It has not. */
  NONE(0),
  /** A token that ends generation, or a stop string. */
  STOP(1),
  /** The most tokens were generated, or the context is full. */
  LENGTH(2),
  /** By cancelling, a callback, detaching or closing. */
  CANCELLED(3),
  /** {@link Request#finishReason} throws the failure; the session keeps the tokens before. */
  FAILED(4),
  /** One that this version does not know. */
  UNKNOWN(-1);

  private final int number;

  FinishReason(int number) {
    this.number = number;
  }

  @Override
  public int number() {
    return number;
  }

  static FinishReason of(int number) {
    return Numbered.of(values(), number, UNKNOWN);
  }
}
