package io.leoam;

import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.function.LongConsumer;

/** An object with a native handle: how it is called, and how it ends. */
abstract class NativeObject implements AutoCloseable {
  private static final Cleaner CLEANER = Cleaner.create();

  final Handle handle;
  private final Cleaner.Cleanable cleanable;

  NativeObject(Handle handle) {
    this.handle = handle;
    this.cleanable = CLEANER.register(this, handle);
  }

  interface Call<T> {
    T run(long handle, CError error);
  }

  interface Action {
    void run(long handle, CError error);
  }

  interface ListenedCall {
    long run(long handle, Callbacks listener, CError error);
  }

  interface ListenedAction {
    void run(long handle, Callbacks listener, CError error);
  }

  /** One native call. The object stays reachable, and with it its handle, until the call has returned. */
  final <T> T call(Call<T> call) {
    try (CError error = new CError()) {
      T result = call.run(handle.get(), error);
      LeoamException.check(error);
      return result;
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  final void act(Action action) {
    call(
        (native_, error) -> {
          action.run(native_, error);
          return null;
        });
  }

  /** A short call after which the library's texts are copied: nobody closes the object meanwhile. */
  final <T> T view(Call<T> call) {
    synchronized (handle) {
      return call(call);
    }
  }

  /**
   * A native call with callbacks of its own. What they throw comes out of it; a handle that was made all the same is
   * given to {@code discard}.
   */
  final long call(Callbacks.Functions functions, ListenedCall call, LongConsumer discard) {
    Callbacks listener = Callbacks.of(functions);
    try (CError error = new CError()) {
      long made = call.run(handle.get(), listener, error);
      if (listener != null && listener.thrown() != null) {
        if (made != 0) {
          discard.accept(made);
        }
        listener.rethrow();
      }
      LeoamException.check(error);
      return made;
    } finally {
      if (listener != null) {
        listener.end();
      }
      Reference.reachabilityFence(this);
    }
  }

  final void act(Callbacks.Functions functions, ListenedAction action) {
    call(
        functions,
        (native_, listener, error) -> {
          action.run(native_, listener, error);
          return 0L;
        },
        nothing -> {});
  }

  /** Whether {@link #close} was called. */
  public final boolean isClosed() {
    return handle.closed();
  }

  /** Gives the native memory back. Later calls do nothing. */
  @Override
  public void close() {
    cleanable.clean();
  }
}
