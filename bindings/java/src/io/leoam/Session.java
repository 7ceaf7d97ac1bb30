package io.leoam;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;

/** One sequence of tokens with its KV cache. A session is busy while a request of it is running. */
public final class Session extends NativeObject {
  private final InstanceState state;
  private final Model model;

  Session(long value, InstanceState state, Model model) {
    super(new Handle(value, Native::sessionRelease, state::release));
    this.state = state;
    this.model = model;
  }

  /** The model that it was made from. */
  public Model model() {
    return model;
  }

  /** What the session has; cheap enough for every frame. */
  public SessionInfo info() {
    try (CSessionInfo c = new CSessionInfo()) {
      return view(
          (session, error) -> {
            Native.sessionGetInfo(session, c, error);
            return error.getCode() != 0 ? null : SessionInfo.of(c);
          });
    }
  }

  /**
   * Appends tokens and computes their KV on the calling thread and the instance's, in pieces. Driver.
   *
   * @throws LeoamException InvalidArgument (a token id, the context is full), NoSpace (the KV budget), Cancelled. After
   *     the last two the session keeps the whole pieces before: {@link #info} says how many tokens
   */
  public void evaluate(int[] tokens, EvaluateOptions options) {
    Check.given(tokens, "tokens");
    try (CEvaluateOptions c = options.toC()) {
      act(
          options.functions(),
          (session, listener, error) -> Native.sessionEvaluate(session, tokens, c, listener, error));
    }
  }

  /** The same without callbacks. */
  public void evaluate(int[] tokens) {
    evaluate(tokens, new EvaluateOptions());
  }

  /**
   * Drops the tokens from {@code nTokens} on. Driver.
   *
   * @throws LeoamException InvalidArgument beyond the end; Unsupported for models with sliding layers when their window
   *     before is gone (0 always works)
   */
  public void truncate(long nTokens) {
    Check.count(nTokens, "nTokens");
    act((session, error) -> Native.sessionTruncate(session, nTokens, error));
  }

  /** Tokens [begin, begin + count). Driver. */
  public int[] tokens(long begin, int count) {
    Check.count(begin, "begin");
    int[] out = new int[Check.count(count, "count")];
    act((session, error) -> Native.sessionCopyTokens(session, begin, out, error));
    return out;
  }

  /** All tokens. Driver. */
  public int[] tokens() {
    return tokens(0, Math.toIntExact(info().nTokens()));
  }

  /**
   * Logits [nVocab] of the newest token. Driver.
   *
   * @throws LeoamException.InvalidArgument when there are none: the session is empty, was truncated, or its newest
   *     token was drawn by a request and has no KV yet
   */
  public float[] logits() {
    float[] out = new float[info().nVocab()];
    act((session, error) -> Native.sessionCopyLogits(session, out, error));
    return out;
  }

  /**
   * Of the newest step, [nLayers][nHeads]: a lower bound of the share of a head's attention that lies in the tokens it
   * attended to. Driver.
   */
  public float[][] coverage() {
    ModelInfo info = model.info();
    float[] all = new float[info.nLayers() * info.nHeads()];
    act((session, error) -> Native.sessionCopyCoverage(session, all, error));
    float[][] out = new float[info.nLayers()][info.nHeads()];
    for (int layer = 0; layer < out.length; ++layer) {
      System.arraycopy(all, layer * info.nHeads(), out[layer], 0, info.nHeads());
    }
    return out;
  }

  /** Of the newest step, [nLayers][nHeads]. Driver. */
  public HeadAttention[][] attention() {
    ModelInfo info = model.info();
    try (CHeadAttentions heads = new CHeadAttentions((long) info.nLayers() * info.nHeads())) {
      act((session, error) -> Native.sessionCopyAttention(session, heads, error));
      HeadAttention[][] out = new HeadAttention[info.nLayers()][info.nHeads()];
      for (int i = 0; i < info.nLayers() * info.nHeads(); ++i) {
        out[i / info.nHeads()][i % info.nHeads()] = HeadAttention.of(heads.at(i));
      }
      return out;
    }
  }

  /** Of the newest step, [nLayers]; zeros before the first. Driver. */
  public List<LayerTimes> layerTimes() {
    int count = model.info().nLayers();
    try (CLayers layers = new CLayers(count)) {
      act((session, error) -> Native.sessionCopyLayerTimes(session, layers, error));
      List<LayerTimes> out = new ArrayList<>();
      for (int layer = 0; layer < count; ++layer) {
        out.add(LayerTimes.of(layers.at(layer)));
      }
      return out;
    }
  }

  /** Why old pages become what they do with {@link KvType#AUTO}. */
  public KvChoice kvChoice() {
    try (CKvChoice c = new CKvChoice()) {
      act((session, error) -> Native.sessionGetKvChoice(session, c, error));
      return KvChoice.of(c);
    }
  }

  /** The same tokens, KV and logits; KV is shared until one of the two changes it. Driver. */
  public Session fork() {
    long copy = call(Native::sessionFork);
    return Instance.adopt(
        state, copy, Native::sessionRelease, (handle, instance) -> new Session(handle, instance, model));
  }

  /**
   * All KV of the session leaves memory, but for what forks hold in use; the next use brings back what it needs.
   * Driver.
   *
   * @throws LeoamException NoSpace, Io, Cancelled; then the session is as good as before
   */
  public void suspend(SuspendOptions options) {
    try (CSuspendOptions c = options.toC()) {
      act(
          Callbacks.Functions.of(options.onProgress()),
          (session, listener, error) -> Native.sessionSuspend(session, c, listener, error));
    }
  }

  /** The same with the defaults. */
  public void suspend() {
    suspend(new SuspendOptions());
  }

  /**
   * Makes the session durable: it is on the disk when this returns. The first time into a new file, which the session
   * then has; later into the same one, where only what is new is written. Driver.
   *
   * @throws LeoamException InvalidArgument (no path, another path, neither key nor plaintext, or both), Busy (the
   *     session, or the file exists or is open), NotFound (the folder), NoSpace, Unsupported (a folder that others
   *     may write to), Io, Cancelled; then the last save stands
   */
  public void save(SaveOptions options) {
    byte[] path = Utf8.path(options.path());
    try (CSaveOptions c = options.toC()) {
      act(
          Callbacks.Functions.of(options.onProgress(), options.key()),
          (session, listener, error) ->
              Native.sessionSave(session, c, path, options.key().bytes(), listener, error));
    }
  }

  /** Into the file that the session has. */
  public void save() {
    save(new SaveOptions());
  }

  /** Of the file that the session has, as of the last save. */
  public Optional<SessionFileInfo> fileInfo() {
    try (CFileInfo c = new CFileInfo()) {
      act((session, error) -> Native.sessionGetFileInfo(session, c, error));
      return Optional.of(SessionFileInfo.of(c));
    } catch (LeoamException.NotFound exception) {
      return Optional.empty();
    }
  }

  /**
   * Starts a generation; options are copied. With {@link Delivery#CALLBACK} events may come before this returns, and
   * come until the last one though nobody holds the request. Driver.
   *
   * @throws LeoamException InvalidArgument (an option, a token id, a prompt that the context cannot hold, an empty
   *     one without logits), Busy
   */
  public Request submit(RequestOptions options) {
    return submit(options, options.delivery(), options.functions());
  }

  private Request submit(RequestOptions options, Delivery delivery, Callbacks.Functions functions) {
    Callbacks listener = Callbacks.of(functions);
    Utf8.Texts stop = Utf8.Texts.of(options.stop(), "stop");
    try (CRequestOptions c = options.toC();
        CSamplerOptions sampler = options.sampler().toC()) {
      c.setDelivery(delivery.number());
      long request =
          call(
              (session, error) ->
                  Native.sessionSubmit(
                      session, c, sampler, options.prompt(), stop.bytes(), stop.sizes(), listener, error));
      return Instance.adopt(
          state,
          request,
          Native::requestRelease,
          (handle, instance) -> new Request(handle, instance, delivery, listener));
    } catch (RuntimeException | Error failure) {
      if (listener != null) {
        listener.end();
      }
      throw failure;
    }
  }

  /** By polling, whatever the options say; their events go to nobody else. */
  private Request submitPolled(RequestOptions options) {
    Callbacks.Functions functions = options.functions();
    functions.event = null;
    return submit(options, Delivery.POLL, functions);
  }

  /**
   * A whole generation. This and the next two poll: delivery and onEvent of the options do not count. Interrupting the
   * thread cancels it, and it ends early. Driver.
   */
  public Generation generate(RequestOptions options) {
    try (Request request = submitPolled(options)) {
      return request.drain();
    }
  }

  /**
   * A whole generation on a thread of its own. Cancelling the future cancels the generation. What depends on the future
   * runs outside of callbacks, with the session free again.
   */
  public CompletableFuture<Generation> generateAsync(RequestOptions options) {
    return generateAsync(options, Background.THREADS);
  }

  /** The same on a thread of {@code executor}, which waits while it goes on. */
  public CompletableFuture<Generation> generateAsync(RequestOptions options, Executor executor) {
    Request request;
    try {
      request = submitPolled(options);
    } catch (LeoamException exception) {
      return CompletableFuture.failedFuture(exception);
    }
    return Background.drain(request, executor);
  }

  /**
   * The events of a generation, which begins, and takes the options, when somebody subscribes: one subscriber, who gets
   * as many as he asks for; generation waits while 256 are untaken. Cancelling the subscription cancels it.
   */
  public Flow.Publisher<Event> publish(RequestOptions options) {
    return publish(options, Background.THREADS);
  }

  /** The same on a thread of {@code executor}, which waits while it goes on. */
  public Flow.Publisher<Event> publish(RequestOptions options, Executor executor) {
    return new EventPublisher(() -> submitPolled(options), executor);
  }
}
