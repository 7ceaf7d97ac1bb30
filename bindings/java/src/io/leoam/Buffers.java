package io.leoam;

import java.util.Arrays;
import java.util.function.IntFunction;

/** Lists of unknown length: a guess, and a second call when it was too short. */
final class Buffers {
  private Buffers() {}

  interface Fill<B> {
    /** Returns the count needed. */
    long fill(long handle, B buffer, CError error);
  }

  static int[] ints(NativeObject object, long guess, Fill<int[]> fill) {
    int[][] out = new int[1][];
    int count = collect(object, guess, int[]::new, out, fill);
    return out[0].length == count ? out[0] : Arrays.copyOf(out[0], count);
  }

  static byte[] bytes(NativeObject object, long guess, Fill<byte[]> fill) {
    byte[][] out = new byte[1][];
    int count = collect(object, guess, byte[]::new, out, fill);
    return out[0].length == count ? out[0] : Arrays.copyOf(out[0], count);
  }

  private static <B> int collect(NativeObject object, long guess, IntFunction<B> make, B[] out, Fill<B> fill) {
    long capacity = Math.min(guess, Integer.MAX_VALUE - 8);
    for (; ; ) {
      B buffer = make.apply((int) capacity);
      long[] needed = {capacity};
      try {
        object.act((handle, error) -> needed[0] = fill.fill(handle, buffer, error));
      } catch (LeoamException.NoSpace exception) {
        // Of another kind: a limit of the library, or more than an array can have.
        if (needed[0] <= capacity || needed[0] > Integer.MAX_VALUE - 8) {
          throw exception;
        }
        capacity = needed[0];
        continue;
      }
      out[0] = buffer;
      return Math.toIntExact(needed[0]);
    }
  }
}
