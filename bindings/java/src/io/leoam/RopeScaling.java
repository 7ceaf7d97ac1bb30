package io.leoam;

/** How positions beyond the trained context are encoded. */
public enum RopeScaling implements Numbered {
  /** As the model file says. */
  FROM_FILE(0),
  /** Not scaled. */
  NONE(1),
  /** Linear. */
  LINEAR(2),
  /** YaRN. */
  YARN(3),
  /** One that this version does not know. */
  UNKNOWN(-1);

  private final int number;

  RopeScaling(int number) {
    this.number = number;
  }

  @Override
  public int number() {
    return number;
  }

  static RopeScaling of(int number) {
    return Numbered.of(values(), number, UNKNOWN);
  }
}
