package io.leoam;

/**
 * How text becomes tokens.
 *
 * @param special control tokens spelt out in the text become those tokens
 * @param bos begins with the beginning-of-sequence token where the file asks for it
 */
public record TokenizeOptions(
    boolean special,
    boolean bos) {
  /** Neither. */
  public static final TokenizeOptions DEFAULT = new TokenizeOptions(false, false);

  long flags() {
    return (special ? Native.LEOAM_TOKENIZE_SPECIAL : 0) | (bos ? Native.LEOAM_TOKENIZE_BOS : 0);
  }
}
