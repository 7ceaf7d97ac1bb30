package io.leoam;

/** What a token of the vocabulary is. */
public enum TokenType implements Numbered {
  /** Text. */
  NORMAL(1),
  /** Stands for text that no token has. */
  UNKNOWN_TEXT(2),
  /** Not text: a mark of the chat format, the end. */
  CONTROL(3),
  /** Added to the vocabulary. */
  USER_DEFINED(4),
  /** Reserved. */
  UNUSED(5),
  /** One byte. */
  BYTE(6),
  /** One that this version does not know. */
  UNKNOWN(-1);

  private final int number;

  TokenType(int number) {
    this.number = number;
  }

  @Override
  public int number() {
    return number;
  }

  static TokenType of(int number) {
    return Numbered.of(values(), number, UNKNOWN);
  }
}
