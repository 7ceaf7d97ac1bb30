package io.leoam;

/**
 * A wish to stop that any thread may set; calls that watch it end with {@link LeoamException.Cancelled} within 100
 * ms.
 */
public final class CancelFlag extends NativeObject {
  CancelFlag(long value, InstanceState state) {
    super(new Handle(value, Native::cancelFlagRelease, state::release));
  }

  /** Ends the calls that watch it, and later ones until it is cleared. */
  public void set() {
    act((flag, error) -> Native.cancelFlagSet(flag));
  }

  /** Calls go on again. */
  public void clear() {
    act((flag, error) -> Native.cancelFlagClear(flag));
  }

  /** 0 for null. */
  static long handle(CancelFlag flag) {
    return flag == null ? 0 : flag.handle.get();
  }
}
