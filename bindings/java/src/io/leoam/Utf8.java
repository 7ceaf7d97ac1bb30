package io.leoam;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Text as the C interface has it. */
final class Utf8 {
  private static final byte[] REPLACEMENT = {(byte) 0xEF, (byte) 0xBF, (byte) 0xBD};

  private Utf8() {}

  /** Halves of surrogate pairs become U+FFFD, where String.getBytes has question marks. */
  static byte[] bytes(String text, String name) {
    return encode(Check.given(text, name), CodingErrorAction.REPLACE, name);
  }

  /** A name in the file system, which must not become another one. */
  static byte[] path(String path) {
    return encode(Check.given(path, "path"), CodingErrorAction.REPORT, "path");
  }

  private static byte[] encode(String text, CodingErrorAction action, String name) {
    try {
      ByteBuffer bytes =
          StandardCharsets.UTF_8
              .newEncoder()
              .onMalformedInput(action)
              .onUnmappableCharacter(action)
              .replaceWith(REPLACEMENT)
              .encode(CharBuffer.wrap(text));
      byte[] out = new byte[bytes.remaining()];
      bytes.get(out);
      return out;
    } catch (CharacterCodingException exception) {
      throw new LeoamException.InvalidArgument(name + " has half of a surrogate pair");
    }
  }

  static String string(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** A list of texts as the shim takes it: one after the other, and their sizes. */
  record Texts(byte[] bytes, int[] sizes) {
    static Texts of(List<String> texts, String name) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      int[] sizes = new int[texts.size()];
      for (int i = 0; i < sizes.length; ++i) {
        byte[] text = Utf8.bytes(texts.get(i), name);
        bytes.writeBytes(text);
        sizes[i] = text.length;
      }
      return new Texts(bytes.toByteArray(), sizes);
    }
  }
}
