package io.leoam;

/** A constant with the number that the C interface has for it. */
interface Numbered {
  int number();

  /** The constant of a number; {@code unknown} for those of later libraries. */
  static <E extends Numbered> E of(E[] values, int number, E unknown) {
    for (E value : values) {
      if (value.number() == number) {
        return value;
      }
    }
    return unknown;
  }
}
