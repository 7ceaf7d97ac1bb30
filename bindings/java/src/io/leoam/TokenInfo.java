package io.leoam;

/**
 * One token of a vocabulary.
 *
 * @param type what it is
 * @param endsGeneration drawing it ends a generation
 * @param piece its spelling in the file, for display
 * @param bytes what it stands for in running text: any bytes, perhaps a part of a character; empty for control tokens
 */
public record TokenInfo(
    TokenType type,
    boolean endsGeneration,
    String piece,
    byte[] bytes) {
  static TokenInfo of(CTokenInfo c) {
    return new TokenInfo(
        TokenType.of(c.getType()),
        (c.getFlags() & Native.LEOAM_TOKEN_ENDS_GENERATION) != 0,
        Utf8.string(c.getPiece()),
        c.getBytes());
  }
}
