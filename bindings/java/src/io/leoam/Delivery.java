package io.leoam;

/** How the events of a request come. */
public enum Delivery implements Numbered {
  /** Generation goes on in the background, and waits while 256 events are untaken. */
  POLL(0),
  /** On a thread of the library, in order, one at a time. */
  CALLBACK(1),
  /** Nothing runs except inside {@link Request#step}. */
  STEP(2);

  private final int number;

  Delivery(int number) {
    this.number = number;
  }

  @Override
  public int number() {
    return number;
  }
}
