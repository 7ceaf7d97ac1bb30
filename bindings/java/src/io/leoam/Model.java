package io.leoam;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** One model file, immutable, shared by sessions. */
public final class Model extends NativeObject {
  private final InstanceState state;

  Model(long value, InstanceState state) {
    super(new Handle(value, Native::modelRelease, state::release));
    this.state = state;
  }

  /** What the file says. */
  public ModelInfo info() {
    try (CModelInfo c = new CModelInfo()) {
      return view(
          (model, error) -> {
            Native.modelGetInfo(model, c, error);
            return error.getCode() != 0 ? null : ModelInfo.of(c);
          });
    }
  }

  /** The file's metadata, with values as text (long arrays shortened). */
  public Map<String, String> metadata() {
    Map<String, String> entries = new LinkedHashMap<>();
    for (long index = 0; Facts.put(entries, this, Native::modelGetMetadata, index); ++index) {}
    return entries;
  }

  /**
   * One token of the vocabulary.
   *
   * @throws LeoamException.InvalidArgument when there is no such token
   * @throws LeoamException.Unsupported without a tokenizer
   */
  public TokenInfo token(int token) {
    try (CTokenInfo c = new CTokenInfo()) {
      return view(
          (model, error) -> {
            Native.modelGetToken(model, token, c, error);
            return error.getCode() != 0 ? null : TokenInfo.of(c);
          });
    }
  }

  /** The token that the file spells so. */
  public OptionalInt findToken(String piece) {
    byte[] bytes = Utf8.bytes(piece, "piece");
    try {
      return OptionalInt.of(call((model, error) -> Native.modelFindToken(model, bytes, error)));
    } catch (LeoamException.NotFound exception) {
      return OptionalInt.empty();
    }
  }

  /** The tokens of a text. */
  public int[] tokenize(String text, TokenizeOptions options) {
    return tokenize(Utf8.bytes(text, "text"), options);
  }

  /** The tokens of a text. */
  public int[] tokenize(String text) {
    return tokenize(text, TokenizeOptions.DEFAULT);
  }

  /** The tokens of UTF-8; what is none is tokenised as bytes. */
  public int[] tokenize(byte[] text, TokenizeOptions options) {
    Check.given(text, "text");
    return Buffers.ints(
        this,
        text.length + 16,
        (model, tokens, error) -> Native.modelTokenize(model, text, options.flags(), tokens, error));
  }

  /** The text of tokens. Those that were cut from a longer sequence may begin or end inside a character: U+FFFD. */
  public String detokenize(int[] tokens) {
    return Utf8.string(detokenizeBytes(tokens, false, false));
  }

  /**
   * The bytes of tokens.
   *
   * @param special control tokens are spelt out
   * @param continues the tokens go on from others: a blank that the format puts before a text is kept
   * @throws LeoamException.InvalidArgument when there is no such token
   */
  public byte[] detokenizeBytes(int[] tokens, boolean special, boolean continues) {
    Check.given(tokens, "tokens");
    long flags =
        (special ? Native.LEOAM_DETOKENIZE_SPECIAL : 0) | (continues ? Native.LEOAM_DETOKENIZE_CONTINUE : 0);
    return Buffers.bytes(
        this,
        tokens.length * 8L,
        (model, text, error) -> Native.modelDetokenize(model, tokens, flags, text, error));
  }

  /**
   * The conversation in the model's own format, for display.
   *
   * @throws LeoamException.Unsupported without a template that the library can read
   * @throws LeoamException.InvalidArgument when the template refuses, with its words
   */
  public String renderChat(List<ChatMessage> messages, ChatOptions options) {
    Chat chat = Chat.of(messages, options);
    return Utf8.string(
        Buffers.bytes(
            this,
            chat.guess(),
            (model, text, error) ->
                Native.modelRenderChat(
                    model,
                    chat.messages.bytes(),
                    chat.messages.sizes(),
                    chat.variables.bytes(),
                    chat.variables.sizes(),
                    chat.flags,
                    text,
                    error)));
  }

  /**
   * The conversation as tokens: control tokens of the template become tokens, those spelt out in messages stay text.
   * Fails as {@link #renderChat}.
   */
  public int[] tokenizeChat(List<ChatMessage> messages, ChatOptions options) {
    Chat chat = Chat.of(messages, options);
    return Buffers.ints(
        this,
        chat.guess(),
        (model, tokens, error) ->
            Native.modelTokenizeChat(
                model,
                chat.messages.bytes(),
                chat.messages.sizes(),
                chat.variables.bytes(),
                chat.variables.sizes(),
                chat.flags,
                tokens,
                error));
  }

  /** The conversation as tokens, with the assistant's turn opened. */
  public int[] tokenizeChat(List<ChatMessage> messages) {
    return tokenizeChat(messages, ChatOptions.DEFAULT);
  }

  private record Chat(Utf8.Texts messages, Utf8.Texts variables, long flags) {
    static Chat of(List<ChatMessage> messages, ChatOptions options) {
      List<String> texts = new ArrayList<>();
      for (ChatMessage message : messages) {
        texts.add(message.role());
        texts.add(message.content());
      }
      List<String> values = new ArrayList<>();
      options.variables().forEach((name, value) -> values.addAll(List.of(name, value)));
      return new Chat(
          Utf8.Texts.of(texts, "messages"),
          Utf8.Texts.of(values, "variables"),
          options.generationPrompt() ? 0 : Native.LEOAM_CHAT_NO_GENERATION_PROMPT);
    }

    /** Of the length of what becomes of it. */
    long guess() {
      return 1024 + messages.bytes().length + 64L * messages.sizes().length;
    }
  }

  /**
   * An empty session.
   *
   * @throws LeoamException InvalidArgument, Unsupported (policy; a header-only model), OutOfMemory
   */
  public Session createSession(SessionOptions options) {
    byte[] policy = Utf8.bytes(options.policy(), "policy");
    try (CSessionOptions c = options.toC()) {
      return session(call((model, error) -> Native.sessionCreate(model, c, policy, error)));
    }
  }

  /** An empty session with the defaults. */
  public Session createSession() {
    return createSession(new SessionOptions());
  }

  /**
   * The saved session, on the model that it was made with. Reads the index, not the KV: pages come when they are
   * attended to, and those that are damaged are computed again. kvType, pageTokens and pieceTokens of {@code options}
   * are 0 or those of the file; the context must hold the saved tokens.
   *
   * @throws LeoamException NotFound, Busy (open elsewhere), Version (a newer format), InvalidArgument (a wrong key,
   *     none for an encrypted file, one for a plaintext file, an option), Unsupported (another model, not a private
   *     file), Corrupt (no copy of the tokens is whole), NoSpace, Io, Cancelled (by the key function); the file is
   *     untouched then
   */
  public Session openSession(String path, FileOptions file, SessionOptions options) {
    byte[] bytes = Utf8.path(path);
    byte[] policy = Utf8.bytes(options.policy(), "policy");
    try (CSessionOptions c = options.toC()) {
      return session(
          call(
              Callbacks.Functions.of(null, file.key()),
              (model, listener, error) ->
                  Native.modelOpenSession(model, bytes, c, policy, file.key().bytes(), listener, error),
              Native::sessionRelease));
    }
  }

  /** The saved session with the defaults. */
  public Session openSession(Path path, FileOptions file) {
    return openSession(path.toString(), file, new SessionOptions());
  }

  private Session session(long value) {
    return Instance.adopt(
        state, value, Native::sessionRelease, (handle, instance) -> new Session(handle, instance, this));
  }
}
