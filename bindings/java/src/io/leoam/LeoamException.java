package io.leoam;

/** A call that failed. There is a subclass for each class of errors; the message is English. */
public class LeoamException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int code;
  private final long neededBytes;
  private final long availableBytes;

  LeoamException(int code, String message, long neededBytes, long availableBytes) {
    super(message);
    this.code = code;
    this.neededBytes = neededBytes;
    this.availableBytes = availableBytes;
  }

  LeoamException(int code, String message) {
    this(code, message, 0, 0);
  }

  /** The code of the C interface, LEOAM_ERROR_; 0 when there is no library that could have one. */
  public final int code() {
    return code;
  }

  /** What would be needed, of {@link NoSpace}; else 0. */
  public final long neededBytes() {
    return neededBytes;
  }

  /** What there is, of {@link NoSpace}; else 0. */
  public final long availableBytes() {
    return availableBytes;
  }

  /** Throws the failure that the library has written, if it is one. */
  static void check(CError error) {
    if (error.getCode() != 0) {
      throw of(error);
    }
  }

  static LeoamException of(CError error) {
    String message = Utf8.string(error.text());
    long needed = Check.unsigned(error.getNeededBytes());
    long available = Check.unsigned(error.getAvailableBytes());
    int code = error.getCode();
    return switch (code) {
      case 1 -> new InvalidArgument(message);
      case 2 -> new Closed(message);
      case 3 -> new NotFound(message);
      case 4 -> new Unsupported(message);
      case 5 -> new Corrupt(message);
      case 6 -> new OutOfMemory(message);
      case 7 -> new NoSpace(message, needed, available);
      case 8 -> new Io(message);
      case 9 -> new Busy(message);
      case 10 -> new Cancelled(message);
      case 11 -> new DeviceLost(message);
      case 12 -> new Version(message);
      case 13 -> new Internal(message);
      default -> new LeoamException(code, message, needed, available);
    };
  }

  /** The native library cannot be loaded, or is not the one that belongs to these classes. */
  public static final class Loading extends LeoamException {
    private static final long serialVersionUID = 1;

    Loading(String message, Throwable cause) {
      super(0, message);
      initCause(cause);
    }
  }

  /** A value of the caller; the message names it. */
  public static final class InvalidArgument extends LeoamException {
    private static final long serialVersionUID = 1;

    InvalidArgument(String message) {
      super(1, message);
    }
  }

  /** The object was closed. */
  public static final class Closed extends LeoamException {
    private static final long serialVersionUID = 1;

    Closed(String message) {
      super(2, message);
    }
  }

  /** A file, a name or an index does not exist. */
  public static final class NotFound extends LeoamException {
    private static final long serialVersionUID = 1;

    NotFound(String message) {
      super(3, message);
    }
  }

  /** Well formed, and this library cannot do it. */
  public static final class Unsupported extends LeoamException {
    private static final long serialVersionUID = 1;

    Unsupported(String message) {
      super(4, message);
    }
  }

  /** A file breaks its format; the message says where. */
  public static final class Corrupt extends LeoamException {
    private static final long serialVersionUID = 1;

    Corrupt(String message) {
      super(5, message);
    }
  }

  /** The system refused memory. */
  public static final class OutOfMemory extends LeoamException {
    private static final long serialVersionUID = 1;

    OutOfMemory(String message) {
      super(6, message);
    }
  }

  /** A budget, a cap or the disk is too small: see {@link #neededBytes()} and {@link #availableBytes()}. */
  public static final class NoSpace extends LeoamException {
    private static final long serialVersionUID = 1;

    NoSpace(String message, long neededBytes, long availableBytes) {
      super(7, message, neededBytes, availableBytes);
    }
  }

  /** The operating system failed a file operation. */
  public static final class Io extends LeoamException {
    private static final long serialVersionUID = 1;

    Io(String message) {
      super(8, message);
    }
  }

  /** Another thread uses the object, a file is open elsewhere, or the call is not allowed inside a callback. */
  public static final class Busy extends LeoamException {
    private static final long serialVersionUID = 1;

    Busy(String message) {
      super(9, message);
    }
  }

  /** The caller asked to stop. */
  public static final class Cancelled extends LeoamException {
    private static final long serialVersionUID = 1;

    Cancelled(String message) {
      super(10, message);
    }
  }

  /** The accelerator is gone; its instance is unusable. */
  public static final class DeviceLost extends LeoamException {
    private static final long serialVersionUID = 1;

    DeviceLost(String message) {
      super(11, message);
    }
  }

  /** A library or a file has a version that does not fit. */
  public static final class Version extends LeoamException {
    private static final long serialVersionUID = 1;

    Version(String message) {
      super(12, message);
    }
  }

  /** A fault of the library. */
  public static final class Internal extends LeoamException {
    private static final long serialVersionUID = 1;

    Internal(String message) {
      super(13, message);
    }
  }
}
