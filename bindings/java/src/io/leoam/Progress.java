package io.leoam;

/** Is told how far a call is, on the thread of the call. */
@FunctionalInterface
public interface Progress {
  /**
   * {@code done} of {@code total}, in the unit that the call says. False stops the work, which then fails with {@link
   * LeoamException.Cancelled}.
   */
  boolean report(long done, long total);
}
