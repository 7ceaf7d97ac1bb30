package io.leoam;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** A runner of named cases, and what they check with. */
final class Cases {
  interface Case {
    void run() throws Throwable;
  }

  private record Named(String name, Case body) {}

  private final List<Named> all = new ArrayList<>();

  void add(String name, Case body) {
    all.add(new Named(name, body));
  }

  /** Runs those whose name contains {@code filter}; false when one failed. */
  boolean run(String filter) {
    List<String> failed = new ArrayList<>();
    int count = 0;
    for (Named named : all) {
      if (!named.name.contains(filter)) {
        continue;
      }
      ++count;
      long start = System.nanoTime();
      try {
        named.body.run();
        System.out.printf("ok    %6d ms  %s%n", (System.nanoTime() - start) / 1_000_000, named.name);
      } catch (Throwable failure) {
        failed.add(named.name);
        System.out.printf("FAIL  %6d ms  %s%n", (System.nanoTime() - start) / 1_000_000, named.name);
        failure.printStackTrace(System.out);
      }
      System.out.flush();
    }
    System.out.printf("%d cases, %d failed%n", count, failed.size());
    failed.forEach(name -> System.out.println("FAILED " + name));
    return failed.isEmpty();
  }

  static void check(boolean right, String what) {
    if (!right) {
      throw new AssertionError(what);
    }
  }

  static void equal(Object expected, Object found) {
    check(
        Objects.deepEquals(expected, found),
        "expected " + text(expected) + ", found " + text(found));
  }

  private static String text(Object value) {
    return value instanceof int[] ints ? Arrays.toString(ints) : String.valueOf(value);
  }

  static void contains(String text, String part) {
    check(text != null && text.contains(part), "\"" + part + "\" is not in \"" + text + "\"");
  }

  /** The exception that the body throws, which has to be of the class. */
  static <T extends Throwable> T fails(Class<T> kind, Case body) {
    try {
      body.run();
    } catch (Throwable thrown) {
      if (kind.isInstance(thrown)) {
        return kind.cast(thrown);
      }
      throw new AssertionError("not " + kind.getSimpleName() + " but " + thrown, thrown);
    }
    throw new AssertionError("no " + kind.getSimpleName());
  }

  interface Condition {
    boolean holds() throws Exception;
  }

  /** Waits until something is so, which on a busy machine takes longer. */
  static void eventually(String what, Condition condition) throws Exception {
    for (long end = System.nanoTime() + 20_000_000_000L * patience(); !condition.holds(); Thread.sleep(5)) {
      check(System.nanoTime() < end, "it did not happen that " + what);
    }
  }

  /** How many times longer than on an idle machine things may take. */
  static int patience() {
    String value = System.getenv("LEOAM_TEST_PATIENCE");
    return value == null ? 1 : Integer.parseInt(value);
  }
}
