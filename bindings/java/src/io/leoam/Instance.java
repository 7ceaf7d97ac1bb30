package io.leoam;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongConsumer;

/** Threads, device, budgets: the root of everything. Any number may live side by side. */
public final class Instance extends NativeObject {
  /** As a limit or a time: none. */
  public static final long UNLIMITED = Long.MAX_VALUE;

  private final InstanceState state;

  /** An instance with the defaults. */
  public Instance() {
    this(new InstanceOptions());
  }

  /**
   * Starts an instance, and loads the native library when it is the first.
   *
   * @throws LeoamException.Loading without a library that fits
   * @throws LeoamException.Unsupported when the machine lacks the CPU level
   */
  public Instance(InstanceOptions options) {
    this(start(options));
  }

  private Instance(InstanceState state) {
    super(new Handle(state.handle(), unused -> {}, state::release));
    this.state = state;
  }

  private static InstanceState start(InstanceOptions options) {
    Library.load();
    Callbacks.Functions functions = new Callbacks.Functions();
    functions.log = options.log();
    Callbacks log = Callbacks.of(functions);
    try (CError error = new CError();
        CInstanceOptions c = options.toC()) {
      long handle =
          Native.instanceCreate(
              c,
              Utf8.bytes(options.cpuLevel(), "cpuLevel"),
              Utf8.path(options.stateFolder()),
              log,
              error);
      if (handle == 0 && log != null) {
        log.end();
      }
      LeoamException.check(error);
      return new InstanceState(handle, log);
    }
  }

  InstanceState state() {
    return state;
  }

  /** A flag for calls of this instance; one may serve many calls. */
  public CancelFlag createCancelFlag() {
    return adopt(call(Native::cancelFlagCreate), Native::cancelFlagRelease, CancelFlag::new);
  }

  /**
   * Loads a GGUF file, on the calling thread and the instance's.
   *
   * @throws LeoamException NotFound, Io, Corrupt, Unsupported, OutOfMemory; Cancelled by the flag or by the function
   */
  public Model load(String path, LoadOptions options) {
    byte[] bytes = Utf8.path(path);
    try (CLoadOptions c = options.toC()) {
      long model =
          call(
              Callbacks.Functions.of(options.onProgress()),
              (instance, listener, error) -> Native.modelLoad(instance, bytes, c, listener, error),
              Native::modelRelease);
      return adopt(model, Native::modelRelease, Model::new);
    }
  }

  /** Loads a GGUF file as it is. */
  public Model load(String path) {
    return load(path, new LoadOptions());
  }

  /** Loads a GGUF file as it is. */
  public Model load(Path path) {
    return load(path.toString());
  }

  /**
   * What a model and a context will need, from the header of the file: nothing is loaded. Of {@code load} the overrides
   * count. Fails as {@link #load}.
   */
  public Plan plan(String path, PlanOptions options, LoadOptions load) {
    byte[] bytes = Utf8.path(path);
    try (CLoadOptions cLoad = load.toC();
        CPlanOptions c = options.toC();
        CPlan plan = new CPlan()) {
      act((instance, error) -> Native.modelPlan(instance, bytes, cLoad, c, plan, error));
      return Plan.of(plan);
    }
  }

  /** What a model and a context will need. */
  public Plan plan(String path, PlanOptions options) {
    return plan(path, options, new LoadOptions());
  }

  /** A saved session without its model; the file is looked at when something is asked of it. */
  public SessionFile sessionFile(String path, FileOptions options) {
    return new SessionFile(this, path, options);
  }

  /**
   * Changes the budget of bytes in memory that KV causes, while requests go on, and returns when it holds: what is too
   * much has moved to files, which changes no answer.
   *
   * @param onProgress bytes given back and to be given back; or null
   * @param cancel or null
   * @throws LeoamException NoSpace (needed: what has to stay), Io, Cancelled; then the old budget holds again
   */
  public void changeHostKvBudget(long bytes, Progress onProgress, CancelFlag cancel) {
    Check.count(bytes, "bytes");
    act(
        Callbacks.Functions.of(onProgress),
        (instance, listener, error) ->
            Native.instanceChangeHostKvBudget(instance, bytes, CancelFlag.handle(cancel), listener, error));
  }

  /** The same without progress. */
  public void changeHostKvBudget(long bytes) {
    changeHostKvBudget(bytes, null, null);
  }

  /**
   * The same of the memory of a device that has its own: what is too much moves to memory.
   *
   * @throws LeoamException.Unsupported when the device computes in memory
   */
  public void changeDeviceKvBudget(long bytes, Progress onProgress, CancelFlag cancel) {
    Check.count(bytes, "bytes");
    act(
        Callbacks.Functions.of(onProgress),
        (instance, listener, error) ->
            Native.instanceChangeDeviceKvBudget(instance, bytes, CancelFlag.handle(cancel), listener, error));
  }

  /** Most bytes of scratch and open session files. A budget below what is used stops growth and drops nothing. */
  public void setDiskKvBudget(long bytes) {
    Check.count(bytes, "bytes");
    act((instance, error) -> Native.instanceSetDiskKvBudget(instance, bytes, error));
  }

  /**
   * Most bytes that the instance writes in its life, those before included; {@link #UNLIMITED}: no cap. What would pass
   * it fails with {@link LeoamException.NoSpace} and writes nothing.
   */
  public void setDiskWriteCap(long bytes) {
    long limit = Check.limit(bytes, "bytes");
    act((instance, error) -> Native.instanceSetDiskWriteCap(instance, limit, error));
  }

  /** What the instance has and has done; cheap enough for every frame. */
  public InstanceStatistics statistics() {
    try (CInstanceStatistics c = new CInstanceStatistics()) {
      act((instance, error) -> Native.instanceGetStatistics(instance, c, error));
      return InstanceStatistics.of(c);
    }
  }

  /**
   * Facts for a diagnosis, by dotted key ("cpu.chosen") and in words: version, build, the chosen kernels and why,
   * device, memory, budgets, how files are read, as they were at the first call, which may take some milliseconds.
   */
  public Map<String, String> describe() {
    Map<String, String> facts = new LinkedHashMap<>();
    // Its texts end with the native instance.
    state.acquire();
    try {
      for (long index = 0; Facts.put(facts, this, Native::instanceDescribe, index); ++index) {}
    } finally {
      state.release();
    }
    return facts;
  }

  /**
   * Cancels all requests and drops the log function: when this returns, no callback of a request or of the log is
   * running and none will start. From inside a callback it does not wait for that one, which is the last.
   */
  public void detach() {
    act(Native::instanceDetach);
  }

  interface Constructor<T> {
    T make(long value, InstanceState state);
  }

  /** The object of a handle that was just made; the handle goes back when there can be none. */
  <T> T adopt(long value, LongConsumer release, Constructor<T> constructor) {
    return adopt(state, value, release, constructor);
  }

  static <T> T adopt(InstanceState state, long value, LongConsumer release, Constructor<T> constructor) {
    try {
      state.acquire();
    } catch (LeoamException.Closed closed) {
      release.accept(value);
      throw closed;
    }
    return constructor.make(value, state);
  }
}
