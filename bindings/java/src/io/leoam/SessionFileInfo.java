package io.leoam;

/**
 * What a session file says of itself.
 *
 * @param formatVersion of the file
 * @param encrypted with a key of the application
 * @param indexLost all KV is to be computed again
 * @param generation counts saves
 * @param nTokens of the sequence
 * @param nKvTokens of them, those with KV in the file
 * @param fileBytes of the file
 * @param usedBytes of fileBytes; {@link SessionFile#compact} gives the rest back
 * @param nLayers of the model
 * @param nKvHeads of the model
 * @param headDim of the model
 * @param nVocab of the model
 * @param kvType of the KV
 * @param pageTokens of a page
 * @param pieceTokens of a prefill piece
 * @param modelHash [16], of the model's tensors, hyper-parameters and tokenizer
 * @param modelName cut when long
 */
public record SessionFileInfo(
    int formatVersion,
    boolean encrypted,
    boolean indexLost,
    long generation,
    long nTokens,
    long nKvTokens,
    long fileBytes,
    long usedBytes,
    int nLayers,
    int nKvHeads,
    int headDim,
    int nVocab,
    KvType kvType,
    int pageTokens,
    int pieceTokens,
    byte[] modelHash,
    String modelName) {
  static SessionFileInfo of(CFileInfo c) {
    return new SessionFileInfo(
        Math.toIntExact(c.getFormatVersion()),
        (c.getFlags() & Native.LEOAM_SESSION_FILE_ENCRYPTED) != 0,
        (c.getFlags() & Native.LEOAM_SESSION_FILE_INDEX_LOST) != 0,
        Check.unsigned(c.getGeneration()),
        Check.unsigned(c.getNTokens()),
        Check.unsigned(c.getNKvTokens()),
        Check.unsigned(c.getFileBytes()),
        Check.unsigned(c.getUsedBytes()),
        Math.toIntExact(c.getNLayers()),
        Math.toIntExact(c.getNKvHeads()),
        Math.toIntExact(c.getHeadDim()),
        Math.toIntExact(c.getNVocab()),
        KvType.of(c.getKvType()),
        Math.toIntExact(c.getPageTokens()),
        Math.toIntExact(c.getPieceTokens()),
        c.modelHash(),
        Utf8.string(c.name()));
  }
}
