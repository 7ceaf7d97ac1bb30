package io.leoam;

/** How much is logged: messages up to a level. */
public enum LogLevel implements Numbered {
  /** What failed. */
  ERROR(1),
  /** What works, and not as it should. */
  WARNING(2),
  /** What happens. */
  INFO(3),
  /** What happens inside. */
  DEBUG(4),
  /** One that this version does not know. */
  UNKNOWN(-1);

  private final int number;

  LogLevel(int number) {
    this.number = number;
  }

  @Override
  public int number() {
    return number;
  }

  static LogLevel of(int number) {
    return Numbered.of(values(), number, UNKNOWN);
  }
}
