package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.equal;
import static io.leoam.Cases.fails;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** Functions of the user: what they throw, what they may call, and how long they live. */
final class CallbackCases {
  private CallbackCases() {}

  static void add(Cases cases, Fixture fixture) {
    cases.add("callback: what it throws comes out of its call, and nothing breaks", () -> thrown(fixture));
    cases.add("callback: what one of a request throws ends it", () -> thrownInRequest(fixture));
    cases.add("callback: errors and deep recursion too", () -> errors(fixture));
    cases.add("callback: false stops", () -> stop(fixture));
    cases.add("callback: functions that compute are busy inside, getters and closing work", () -> inside(fixture));
    cases.add("callback: survives the collector while the library may call it", () -> pinned(fixture));
    cases.add("callback: its thread is attached once, as a daemon, until it ends", () -> attached(fixture));
    cases.add("callback: detach means no more", () -> detach(fixture));
    cases.add("callback: many events leave no references behind", () -> references(fixture));
  }

  private static final class Mine extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private static boolean fail() {
    throw new Mine();
  }

  private static void thrown(Fixture fixture) {
    for (int i = 0; i < 3; ++i) {
      fails(
          Mine.class,
          () -> fixture.instance.load(fixture.modelFile.toString(), new LoadOptions().onProgress((d, t) -> fail())));
      try (Session session = fixture.session()) {
        fails(
            Mine.class,
            () -> session.evaluate(fixture.text(20), new EvaluateOptions().onProgress((d, t) -> fail())));
        fails(
            Mine.class,
            () -> session.evaluate(fixture.text(20), new EvaluateOptions().onLogits((p, l) -> fail())));
        session.truncate(0);
        session.evaluate(fixture.text(100));
        fails(
            Mine.class, () -> session.suspend(new SuspendOptions().onProgress((d, t) -> fail())));
        fails(
            Mine.class,
            () ->
                session.save(
                    new SaveOptions().path(fixture.file("never")).plaintext(true).onProgress((d, t) -> fail())));
        session.evaluate(fixture.text(20));
      }
    }
  }

  private static void thrownInRequest(Fixture fixture) throws Exception {
    try (Session session = fixture.session()) {
      try (Request request =
          session.submit(new RequestOptions(fixture.prompt()).maxTokens(100).onEvent(event -> fail()))) {
        check(request.await(20, TimeUnit.SECONDS), "finished");
        fails(Mine.class, request::finishReason);
      }
      session.truncate(0);
      fails(
          Mine.class,
          () -> session.generate(new RequestOptions(fixture.prompt()).onLogits(logits -> fail())));
      session.truncate(0);
      try (Request request =
          session.submit(
              new RequestOptions(fixture.prompt()).delivery(Delivery.STEP).onLogits(logits -> fail()))) {
        fails(Mine.class, () -> request.forEach(event -> {}));
      }
      session.truncate(0);
      equal(3, session.generate(new RequestOptions(fixture.prompt()).maxTokens(3)).tokens().length);
    }
  }

  private static int deep(int depth) {
    return depth == 0 ? 0 : deep(depth + 1) + 1;
  }

  private static <T extends Throwable> boolean sneak(Throwable throwable) throws T {
    @SuppressWarnings("unchecked")
    T hidden = (T) throwable;
    throw hidden;
  }

  private static void errors(Fixture fixture) {
    try (Session session = fixture.session()) {
      fails(
          StackOverflowError.class,
          () -> session.evaluate(fixture.text(20), new EvaluateOptions().onProgress((d, t) -> deep(1) > 0)));
      fails(
          AssertionError.class,
          () ->
              session.evaluate(
                  fixture.text(20),
                  new EvaluateOptions()
                      .onLogits(
                          (p, l) -> {
                            throw new AssertionError("\uD83E\uDD99");
                          })));
      Exception checked = new Exception("checked");
      Throwable out =
          fails(
              java.lang.reflect.UndeclaredThrowableException.class,
              () ->
                  session.evaluate(
                      fixture.text(20),
                      new EvaluateOptions()
                          .onProgress((d, t) -> CallbackCases.<RuntimeException>sneak(checked))));
      equal(checked, out.getCause());
    }
  }

  private static void stop(Fixture fixture) {
    try (Session session = fixture.session()) {
      AtomicInteger events = new AtomicInteger();
      try (Request request =
          session.submit(
              new RequestOptions(fixture.prompt())
                  .maxTokens(1000)
                  .ignoreEnd(true)
                  .onEvent(event -> event.kind() != EventKind.TOKEN || events.incrementAndGet() < 3))) {
        check(request.await(20, TimeUnit.SECONDS), "finished");
        equal(FinishReason.CANCELLED, request.finishReason());
        equal(3, events.get());
      }
      session.truncate(0);
      equal(
          FinishReason.CANCELLED,
          session.generate(new RequestOptions(fixture.prompt()).onLogits(logits -> false)).finishReason());
    }
  }

  private static void inside(Fixture fixture) throws Exception {
    List<Throwable> wrong = Collections.synchronizedList(new ArrayList<>());
    AtomicReference<Request> self = new AtomicReference<>();
    AtomicInteger calls = new AtomicInteger();
    try (Session session = fixture.session();
        Session other = fixture.session()) {
      Request request =
          session.submit(
              new RequestOptions(fixture.prompt())
                  .maxTokens(1000)
                  .ignoreEnd(true)
                  .onEvent(
                      event -> {
                        try {
                          fails(LeoamException.Busy.class, () -> session.evaluate(new int[] {1}));
                          fails(LeoamException.Busy.class, () -> other.evaluate(new int[] {1}));
                          fails(LeoamException.Busy.class, () -> fixture.instance.load(fixture.modelFile));
                          check(session.info().nTokens() >= 0, "info");
                          check(fixture.model.tokenize("x").length > 0, "tokenize");
                          fixture.instance.statistics();
                          if (calls.incrementAndGet() == 3) {
                            Cases.eventually("it was submitted", () -> self.get() != null);
                            fails(
                                LeoamException.Busy.class,
                                () -> self.get().await(Instance.UNLIMITED, TimeUnit.MICROSECONDS));
                            self.get().close();
                            self.get().close();
                          }
                        } catch (Throwable throwable) {
                          wrong.add(throwable);
                        }
                        return true;
                      }));
      self.set(request);
      Cases.eventually("it has closed itself", request::isClosed);
      Cases.eventually(
          "the session is free",
          () -> {
            try {
              session.truncate(0);
              return true;
            } catch (LeoamException.Busy busy) {
              return false;
            }
          });
      equal(3, calls.get());
      if (!wrong.isEmpty()) {
        throw new AssertionError(wrong.get(0));
      }
      // The callback's own functions were closed inside it; others come after.
      equal(2, session.generate(new RequestOptions(fixture.prompt()).maxTokens(2)).tokens().length);
    }
  }

  private static void pinned(Fixture fixture) throws Exception {
    AtomicInteger tokens = new AtomicInteger();
    AtomicInteger finished = new AtomicInteger();
    try (Session session = fixture.session()) {
      // Nobody holds this one.
      session.submit(
          new RequestOptions(fixture.prompt())
              .maxTokens(30)
              .ignoreEnd(true)
              .onLogits(logits -> logits.length > 0)
              .onEvent(
                  event -> {
                    tokens.addAndGet(event.kind() == EventKind.TOKEN ? 1 : 0);
                    finished.addAndGet(event.kind() == EventKind.FINISHED ? 1 : 0);
                    return true;
                  }));
      Cases.eventually(
          "it has finished",
          () -> {
            System.gc();
            return finished.get() == 1;
          });
      equal(30, tokens.get());
    }
    // Log functions too.
    AtomicInteger messages = new AtomicInteger();
    try (Instance instance =
        new Instance(
            fixture.options().logLevel(LogLevel.DEBUG).log((level, text) -> messages.incrementAndGet()))) {
      System.gc();
      instance.load(fixture.modelFile.toString(), new LoadOptions().headerOnly(true)).close();
      System.gc();
    }
  }

  private static void attached(Fixture fixture) throws Exception {
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    try (Instance instance = new Instance(fixture.options());
        Model model = instance.load(fixture.modelFile);
        Session session = model.createSession();
        Request request =
            session.submit(
                new RequestOptions(fixture.prompt())
                    .maxTokens(5)
                    .onLogits(logits -> threads.add(Thread.currentThread()) || true)
                    .onEvent(event -> threads.add(Thread.currentThread()) || true))) {
      check(request.await(60L * Cases.patience(), TimeUnit.SECONDS), "finished");
      equal(1, threads.size());
      check(threads.iterator().next().isDaemon(), "a daemon");
      check(threads.iterator().next() != Thread.currentThread(), "of the library");
    }
    Cases.eventually("it has ended", () -> !threads.iterator().next().isAlive());
  }

  private static void detach(Fixture fixture) throws Exception {
    AtomicInteger events = new AtomicInteger();
    try (Session session = fixture.session()) {
      for (int i = 0; i < 5; ++i) {
        try (Request request =
            session.submit(
                new RequestOptions(fixture.prompt())
                    .maxTokens(1000)
                    .ignoreEnd(true)
                    .onEvent(event -> events.incrementAndGet() > 0))) {
          Thread.sleep(7 * i);
          request.detach();
          int then = events.get();
          Thread.sleep(20);
          equal(then, events.get());
        }
        session.truncate(0);
      }
    }
  }

  private static void references(Fixture fixture) {
    // Under -Xcheck:jni a thread that keeps its local references is told of.
    AtomicInteger calls = new AtomicInteger();
    try (Session session = fixture.session()) {
      try (Request request =
          session.submit(
              new RequestOptions(fixture.prompt())
                  .maxTokens(60)
                  .ignoreEnd(true)
                  .onLogits(logits -> calls.incrementAndGet() > 0)
                  .onEvent(event -> event.text() != null))) {
        check(request.await(60L * Cases.patience(), TimeUnit.SECONDS), "finished");
      }
    }
    equal(60, calls.get());
  }
}
