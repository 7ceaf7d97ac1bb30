package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.equal;
import static io.leoam.Cases.fails;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** Closing: twice, too early, while something runs, never. */
final class LifetimeCases {
  private LifetimeCases() {}

  static void add(Cases cases, Fixture fixture) {
    cases.add("closing: twice does nothing, later calls are refused", () -> twice(fixture));
    cases.add("closing: parents first", () -> parents(fixture));
    cases.add("closing: a request that runs frees its session", () -> running(fixture));
    cases.add("closing: while other threads are inside calls", () -> race(fixture));
    cases.add("closing: texts of a model that is closed meanwhile", () -> texts(fixture));
    cases.add("closing: an instance whose log function is busy", () -> log(fixture));
    cases.add("closing: the collector finds what was forgotten", () -> forgotten(fixture));
    cases.add("closing: 200 cycles without growth", () -> growth(fixture));
  }

  private static void twice(Fixture fixture) {
    Instance instance = new Instance(fixture.options());
    Model model = instance.load(fixture.modelFile);
    Session session = model.createSession();
    CancelFlag flag = instance.createCancelFlag();
    Request request = session.submit(new RequestOptions(fixture.prompt()).maxTokens(2));
    for (NativeObject object : List.of(request, session, model, flag, instance)) {
      check(!object.isClosed(), object + " is open");
      object.close();
      object.close();
      check(object.isClosed(), object + " is closed");
    }
    fails(LeoamException.Closed.class, request::poll);
    fails(LeoamException.Closed.class, request::next);
    fails(LeoamException.Closed.class, request::cancel);
    fails(LeoamException.Closed.class, () -> request.await(1, TimeUnit.SECONDS));
    fails(LeoamException.Closed.class, session::info);
    fails(LeoamException.Closed.class, session::logits);
    fails(LeoamException.Closed.class, model::info);
    fails(LeoamException.Closed.class, model::createSession);
    fails(LeoamException.Closed.class, flag::clear);
    fails(LeoamException.Closed.class, instance::describe);
    fails(LeoamException.Closed.class, () -> instance.load(fixture.modelFile));
    equal(2, fails(LeoamException.Closed.class, instance::statistics).code());
  }

  private static void parents(Fixture fixture) {
    AtomicInteger messages = new AtomicInteger();
    Instance instance =
        new Instance(fixture.options().logLevel(LogLevel.DEBUG).log((level, text) -> messages.incrementAndGet()));
    Model model = instance.load(fixture.modelFile);
    Session session = model.createSession();
    instance.close();
    model.close();
    equal(3, session.generate(new RequestOptions(fixture.prompt()).maxTokens(3)).tokens().length);
    Request request = session.submit(new RequestOptions().maxTokens(2).ignoreEnd(true));
    session.close();
    equal(FinishReason.LENGTH, request.drain().finishReason());
    request.close();
  }

  private static void running(Fixture fixture) {
    try (Session session = fixture.session()) {
      for (Delivery delivery : Delivery.values()) {
        RequestOptions options =
            new RequestOptions(fixture.prompt()).maxTokens(1000).ignoreEnd(true).delivery(delivery);
        if (delivery == Delivery.CALLBACK) {
          options.onEvent(event -> true);
        }
        session.submit(options).close();
        session.truncate(0);
      }
    }
  }

  /** Threads that use and drop objects at the same time: every call works or says that its object is closed. */
  private static void race(Fixture fixture) throws Exception {
    for (int round = 0; round < 10; ++round) {
      Session session = fixture.session();
      Request request =
          session.submit(new RequestOptions(fixture.prompt()).maxTokens(1000).ignoreEnd(true));
      List<CompletableFuture<Void>> users = new ArrayList<>();
      for (Runnable use :
          List.<Runnable>of(
              () -> request.next(),
              () -> request.statistics(),
              () -> session.info(),
              () -> request.await(1, TimeUnit.MILLISECONDS))) {
        users.add(
            CompletableFuture.runAsync(
                () -> {
                  try {
                    for (; ; ) {
                      use.run();
                      if (request.isClosed() && session.isClosed()) {
                        return;
                      }
                    }
                  } catch (LeoamException.Closed | LeoamException.Busy | LeoamException.Cancelled expected) {
                    // As the rules have it.
                  }
                },
                Background.THREADS));
      }
      Thread.sleep(round * 3);
      request.close();
      session.close();
      for (CompletableFuture<Void> user : users) {
        user.get(30L * Cases.patience(), TimeUnit.SECONDS);
      }
    }
    // A call that computes finishes, or is refused.
    for (int round = 0; round < 5; ++round) {
      Session session = fixture.session();
      CompletableFuture<Void> call =
          CompletableFuture.runAsync(() -> session.evaluate(fixture.text(200)), Background.THREADS);
      Thread.sleep(10 * round);
      session.close();
      try {
        call.get(30L * Cases.patience(), TimeUnit.SECONDS);
      } catch (java.util.concurrent.ExecutionException exception) {
        check(exception.getCause() instanceof LeoamException.Closed, String.valueOf(exception.getCause()));
      }
    }
  }

  private static void texts(Fixture fixture) throws Exception {
    for (int round = 0; round < 20; ++round) {
      Model model = fixture.instance.load(fixture.modelFile.toString(), new LoadOptions().headerOnly(true));
      AtomicBoolean begun = new AtomicBoolean();
      CompletableFuture<Void> reader =
          CompletableFuture.runAsync(
              () -> {
                try {
                  for (; ; ) {
                    equal("llama", model.info().architecture());
                    equal("llama", model.metadata().get("general.architecture"));
                    begun.set(true);
                  }
                } catch (LeoamException.Closed closed) {
                  // Sooner or later.
                }
              },
              Background.THREADS);
      Cases.eventually("it has begun", begun::get);
      model.close();
      reader.get(30L * Cases.patience(), TimeUnit.SECONDS);
    }
    for (int round = 0; round < 20; ++round) {
      Instance instance = new Instance(fixture.options());
      CompletableFuture<Void> reader =
          CompletableFuture.runAsync(
              () -> {
                try {
                  for (; ; ) {
                    check(!instance.describe().get("cpu.chosen").isEmpty(), "a fact");
                  }
                } catch (LeoamException.Closed closed) {
                  // Sooner or later.
                }
              },
              Background.THREADS);
      Thread.sleep(round);
      instance.close();
      reader.get(30L * Cases.patience(), TimeUnit.SECONDS);
    }
  }

  private static void log(Fixture fixture) {
    for (int round = 0; round < 20; ++round) {
      Instance instance =
          new Instance(fixture.options().logLevel(LogLevel.DEBUG).log((level, text) -> Thread.yield()));
      instance.load(fixture.modelFile.toString(), new LoadOptions().headerOnly(true)).close();
      instance.close();
    }
  }

  private static void forgotten(Fixture fixture) throws Exception {
    List<Handle> handles = new ArrayList<>();
    for (int i = 0; i < 10; ++i) {
      forget(fixture, handles);
    }
    Cases.eventually(
        "everything is closed",
        () -> {
          System.gc();
          return handles.stream().allMatch(Handle::closed);
        });
  }

  private static void forget(Fixture fixture, List<Handle> handles) {
    Session session = fixture.session();
    session.evaluate(fixture.text(4));
    Session copy = session.fork();
    Request request = session.submit(new RequestOptions().maxTokens(1000).ignoreEnd(true));
    Request called = copy.submit(new RequestOptions().maxTokens(2).onEvent(event -> event.kind() != null));
    CancelFlag flag = fixture.instance.createCancelFlag();
    handles.addAll(List.of(session.handle, copy.handle, request.handle, called.handle, flag.handle));
  }

  private static void cycle(Fixture fixture) {
    try (Instance instance = new Instance(fixture.options().log((level, text) -> {}));
        Model model = instance.load(fixture.modelFile.toString(), new LoadOptions().headerOnly(true));
        CancelFlag flag = instance.createCancelFlag()) {
      model.info();
    }
    try (Session session = fixture.session()) {
      try (Request request =
          session.submit(new RequestOptions(new int[] {1, 2, 3}).maxTokens(1).onEvent(event -> true))) {
        request.await(Instance.UNLIMITED, TimeUnit.MICROSECONDS);
      }
    }
  }

  private static void growth(Fixture fixture) throws Exception {
    for (int i = 0; i < 30; ++i) {
      cycle(fixture);
    }
    System.gc();
    long memory = resident();
    int descriptors = count("/proc/self/fd");
    for (int i = 0; i < 200; ++i) {
      cycle(fixture);
    }
    System.gc();
    long grown = resident() - memory;
    System.out.println("      grown by " + grown / 1024 + " KiB");
    check(grown < 24 << 20, "grown by " + grown / 1024 + " KiB");
    check(count("/proc/self/fd") <= descriptors + 3, count("/proc/self/fd") + " descriptors, were " + descriptors);
    int threads = count("/proc/self/task");
    check(threads < 80, threads + " threads");
  }

  private static long resident() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmRSS:")) {
        return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
      }
    }
    throw new AssertionError("no VmRSS");
  }

  private static int count(String folder) {
    return new File(folder).list().length;
  }
}
