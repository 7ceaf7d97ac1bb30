package io.leoam;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * The native instance, which ends when its Java object and all objects made from it are closed. The log function is the
 * reason why that is counted here and not left to the library: it may be called until then.
 */
final class InstanceState {
  private final long handle;
  private final Callbacks log;
  private final AtomicInteger users = new AtomicInteger(1);

  InstanceState(long handle, Callbacks log) {
    this.handle = handle;
    this.log = log;
  }

  long handle() {
    return handle;
  }

  /** One user more, who calls {@link #release} once. */
  InstanceState acquire() {
    if (users.getAndUpdate(count -> count == 0 ? 0 : count + 1) == 0) {
      throw new LeoamException.Closed("the instance is closed");
    }
    return this;
  }

  void release() {
    if (users.decrementAndGet() > 0) {
      return;
    }
    if (log != null) {
      // Behind it no message is on its way.
      try (CError error = new CError()) {
        Native.instanceDetach(handle, error);
      }
    }
    Native.instanceRelease(handle);
    if (log != null) {
      log.end();
    }
  }
}
