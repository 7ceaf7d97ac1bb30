package io.leoam;

import java.lang.reflect.UndeclaredThrowableException;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * The functions of the user that one call or one object leads to. Its native half holds it until {@link #end}, so that
 * it cannot be collected while the library may still call it.
 */
final class Callbacks extends Listener {
  /** What is not null is called. */
  static final class Functions {
    Progress progress;
    EventFunction event;
    SamplerFunction sampler;
    LogitsFunction logits;
    KeyFunction key;
    Consumer<String> finding;
    LogSink log;

    static Functions of(Progress progress) {
      Functions functions = new Functions();
      functions.progress = progress;
      return functions;
    }

    static Functions of(Progress progress, SessionKey key) {
      Functions functions = of(progress);
      functions.key = key.function();
      return functions;
    }

    private int wants() {
      return (progress != null ? PROGRESS : 0)
          | (event != null ? EVENTS : 0)
          | (sampler != null ? SAMPLING : 0)
          | (logits != null ? LOGITS : 0)
          | (key != null ? KEY : 0)
          | (finding != null ? FINDINGS : 0)
          | (log != null ? LOG : 0);
    }
  }

  private volatile Functions functions;
  // Under the monitor.
  private Request running;
  private boolean finished;
  private final AtomicBoolean ended = new AtomicBoolean();
  // Used by one callback at a time.
  private float[] values;

  private Callbacks(Functions functions) {
    super(functions.wants());
    this.functions = functions;
    swigReleaseOwnership();
  }

  /** Null when there is nothing to call. */
  static Callbacks of(Functions functions) {
    return functions.wants() == 0 ? null : new Callbacks(functions);
  }

  /** Keeps a request from the collector until its last event. */
  synchronized void hold(Request request) {
    running = finished ? null : request;
  }

  /** No event comes any more. */
  synchronized void letGo() {
    finished = true;
    running = null;
  }

  /** No call leads here any more, but for one that may be running. */
  void end() {
    if (ended.compareAndSet(false, true)) {
      letGo();
      retire();
    }
  }

  void rethrow() {
    Throwable throwable = thrown();
    if (throwable instanceof RuntimeException exception) {
      throw exception;
    }
    if (throwable instanceof Error error) {
      throw error;
    }
    if (throwable != null) {
      throw new UndeclaredThrowableException(throwable);
    }
  }

  private static int answer(boolean goOn) {
    return goOn ? Native.LEOAM_CONTINUE : Native.LEOAM_STOP;
  }

  @Override
  public int onProgress(long done, long total) {
    return answer(functions.progress.report(Check.unsigned(done), Check.unsigned(total)));
  }

  @Override
  public int onEvent(CEvent c) {
    Event event = Event.of(c);
    EventFunction function = functions.event;
    if (event.kind() == EventKind.FINISHED) {
      // What the functions refer to may be collected, the request among it.
      functions = new Functions();
      letGo();
    }
    boolean goOn = false;
    try {
      goOn = function.onEvent(event);
    } finally {
      // Whoever stops is told nothing more.
      if (!goOn) {
        letGo();
      }
    }
    return answer(goOn);
  }

  @Override
  public int onSampling(Logits logits) {
    SamplerFunction function = functions.sampler;
    if (function == null) {
      return Native.LEOAM_CONTINUE;
    }
    float[] all = read(logits);
    boolean goOn = function.adjust(all);
    logits.write(all);
    return answer(goOn);
  }

  @Override
  public int onLogits(Logits logits) {
    return answer(functions.logits.onLogits(logits.position(), read(logits)));
  }

  private float[] read(Logits logits) {
    int count = Math.toIntExact(logits.count());
    if (values == null || values.length != count) {
      values = new float[count];
    }
    logits.read(values);
    return values;
  }

  @Override
  public int onKey(KeyRoom room) {
    byte[] key = new byte[Math.toIntExact(room.size())];
    try {
      return answer(functions.key.fill(key) && room.write(key));
    } finally {
      Arrays.fill(key, (byte) 0);
    }
  }

  @Override
  public int onFinding(byte[] text) {
    functions.finding.accept(Utf8.string(text));
    return Native.LEOAM_CONTINUE;
  }

  @Override
  public void onLog(int level, byte[] text) {
    functions.log.log(LogLevel.of(level), Utf8.string(text));
  }
}
