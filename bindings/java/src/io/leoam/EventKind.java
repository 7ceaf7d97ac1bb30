package io.leoam;

/** What an event tells. */
public enum EventKind implements Numbered {
  /** So many tokens of the prompt are done. */
  PREFILL(1),
  /** A token was drawn. */
  TOKEN(2),
  /** The last event. */
  FINISHED(3),
  /** One that this version does not know. */
  UNKNOWN(-1);

  private final int number;

  EventKind(int number) {
    this.number = number;
  }

  @Override
  public int number() {
    return number;
  }

  static EventKind of(int number) {
    return Numbered.of(values(), number, UNKNOWN);
  }
}
