package io.leoam;

/**
 * What a model file says.
 *
 * @param ggufVersion of the file's format
 * @param architecture "llama"
 * @param name may be empty
 * @param quantization the type with most bytes, "q4_1"
 * @param tokenizer "gpt2", "llama", "none"
 * @param preTokenizer "smollm"; may be empty
 * @param hasTokenizer else the model runs on token ids alone
 * @param hasChatTemplate the file carries one
 * @param addsBos texts begin with bosToken by default
 * @param headerOnly it has no weights
 * @param nLayers layers
 * @param nEmbd width
 * @param nHeads query heads of a layer
 * @param nKvHeads KV heads of a layer
 * @param headDim width of a head
 * @param nFf width of the feed-forward part
 * @param nVocab tokens of the vocabulary
 * @param contextTokens after overrides
 * @param slidingWindowTokens 0: none
 * @param ropeScaling never FROM_FILE
 * @param ropeFactor context extension factor
 * @param ropeBase base of the angles
 * @param ropeOriginalContextTokens trained context
 * @param bosToken -1: none
 * @param eosToken -1: none
 * @param nParameters numbers in the tensors
 * @param nTensors tensors
 * @param nMetadata entries of the metadata
 * @param fileBytes of the file
 * @param weightBytes tensor data in the file
 * @param memoryBytes weights in memory; 0 for a header
 */
public record ModelInfo(
    int ggufVersion,
    String architecture,
    String name,
    String quantization,
    String tokenizer,
    String preTokenizer,
    boolean hasTokenizer,
    boolean hasChatTemplate,
    boolean addsBos,
    boolean headerOnly,
    int nLayers,
    int nEmbd,
    int nHeads,
    int nKvHeads,
    int headDim,
    int nFf,
    int nVocab,
    int contextTokens,
    int slidingWindowTokens,
    RopeScaling ropeScaling,
    float ropeFactor,
    float ropeBase,
    int ropeOriginalContextTokens,
    int bosToken,
    int eosToken,
    long nParameters,
    long nTensors,
    long nMetadata,
    long fileBytes,
    long weightBytes,
    long memoryBytes) {
  static ModelInfo of(CModelInfo c) {
    return new ModelInfo(
        Math.toIntExact(c.getGgufVersion()),
        Utf8.string(c.getArchitecture()),
        Utf8.string(c.getName()),
        Utf8.string(c.getQuantization()),
        Utf8.string(c.getTokenizer()),
        Utf8.string(c.getPreTokenizer()),
        (c.getFlags() & Native.LEOAM_MODEL_HAS_TOKENIZER) != 0,
        (c.getFlags() & Native.LEOAM_MODEL_HAS_CHAT_TEMPLATE) != 0,
        (c.getFlags() & Native.LEOAM_MODEL_ADDS_BOS) != 0,
        (c.getFlags() & Native.LEOAM_MODEL_HEADER_ONLY) != 0,
        Math.toIntExact(c.getNLayers()),
        Math.toIntExact(c.getNEmbd()),
        Math.toIntExact(c.getNHeads()),
        Math.toIntExact(c.getNKvHeads()),
        Math.toIntExact(c.getHeadDim()),
        Math.toIntExact(c.getNFf()),
        Math.toIntExact(c.getNVocab()),
        Math.toIntExact(c.getContextTokens()),
        Math.toIntExact(c.getSlidingWindowTokens()),
        RopeScaling.of(c.getRopeScaling()),
        c.getRopeFactor(),
        c.getRopeBase(),
        Math.toIntExact(c.getRopeOriginalContextTokens()),
        Math.toIntExact(c.getBosToken()),
        Math.toIntExact(c.getEosToken()),
        Check.unsigned(c.getNParameters()),
        Check.unsigned(c.getNTensors()),
        Check.unsigned(c.getNMetadata()),
        Check.unsigned(c.getFileBytes()),
        Check.unsigned(c.getWeightBytes()),
        Check.unsigned(c.getMemoryBytes()));
  }
}
