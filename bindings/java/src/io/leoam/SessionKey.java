package io.leoam;

import java.util.Arrays;

/**
 * The key of a session file: bytes, or a function that is asked when they are needed. The library and this class wipe
 * their copies: bytes are wiped when the key is closed.
 */
public final class SessionKey implements AutoCloseable {
  /** Length of a key in bytes. */
  public static final int BYTES = 32;

  /** No key. */
  public static final SessionKey NONE = new SessionKey(null, null);

  private final byte[] bytes;
  private final KeyFunction function;

  private SessionKey(byte[] bytes, KeyFunction function) {
    this.bytes = bytes;
    this.function = function;
  }

  /** Copies {@code key} [{@link #BYTES}]; whoever has it wipes it. */
  public static SessionKey of(byte[] key) {
    return new SessionKey(Check.given(key, "key").clone(), null);
  }

  /** Asks at most once a call. */
  public static SessionKey ask(KeyFunction function) {
    return new SessionKey(null, Check.given(function, "function"));
  }

  /** Null when there are none. */
  byte[] bytes() {
    return bytes;
  }

  KeyFunction function() {
    return function;
  }

  /** Wipes the bytes: calls that use the key later fail, for it is no longer that of their file. */
  @Override
  public void close() {
    if (bytes != null) {
      Arrays.fill(bytes, (byte) 0);
    }
  }
}
