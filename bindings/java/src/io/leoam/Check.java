package io.leoam;

/** Values that the C interface has no place for. */
final class Check {
  private Check() {}

  static int count(int value, String name) {
    if (value < 0) {
      throw new LeoamException.InvalidArgument(name + " is " + value + ", below 0");
    }
    return value;
  }

  static long count(long value, String name) {
    if (value < 0) {
      throw new LeoamException.InvalidArgument(name + " is " + value + ", below 0");
    }
    return value;
  }

  static <T> T given(T value, String name) {
    if (value == null) {
      throw new LeoamException.InvalidArgument(name + " is null");
    }
    return value;
  }

  /** A number of 64 bits that the library says: what a long cannot say is {@link Instance#UNLIMITED}. */
  static long unsigned(long value) {
    return value < 0 ? Instance.UNLIMITED : value;
  }

  /** The other way: {@link Instance#UNLIMITED} is the library's UINT64_MAX. */
  static long limit(long value, String name) {
    return count(value, name) == Instance.UNLIMITED ? -1 : value;
  }
}
