package io.leoam;

import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/**
 * A native handle, and what happens when it is given back. Knows nothing of the object that has it, so that the cleaner
 * can run it when that object is gone.
 *
 * <p>The library lets a handle be released while other threads are inside calls with it. What it does not protect are
 * its texts, which end with the handle: whoever copies them holds the monitor of the handle meanwhile.
 */
final class Handle implements Runnable {
  private final AtomicLong value;
  private final LongConsumer before;
  private final LongConsumer release;
  private final Runnable after;

  /**
   * @param before runs first, outside of the monitor: what may wait for callbacks
   * @param release gives the handle back
   * @param after runs last, when no call leads to the library any more
   */
  Handle(long value, LongConsumer before, LongConsumer release, Runnable after) {
    this.value = new AtomicLong(value);
    this.before = before;
    this.release = release;
    this.after = after;
  }

  Handle(long value, LongConsumer release, Runnable after) {
    this(value, handle -> {}, release, after);
  }

  long get() {
    long handle = value.get();
    if (handle == 0) {
      throw new LeoamException.Closed("the object is closed");
    }
    return handle;
  }

  boolean closed() {
    return value.get() == 0;
  }

  @Override
  public void run() {
    long handle = value.getAndSet(0);
    if (handle == 0) {
      return;
    }
    before.accept(handle);
    synchronized (this) {
      release.accept(handle);
    }
    after.run();
  }
}
