package io.leoam;

/** Is asked for the key of a session file, at most once by a call, on its thread. */
@FunctionalInterface
public interface KeyFunction {
  /**
   * Fills {@code key} [{@link SessionKey#BYTES}], which is wiped afterwards. False: there is no key, and the call
   * fails with {@link LeoamException.Cancelled}.
   */
  boolean fill(byte[] key);
}
