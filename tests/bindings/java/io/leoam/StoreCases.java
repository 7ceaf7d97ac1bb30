package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.contains;
import static io.leoam.Cases.equal;
import static io.leoam.Cases.fails;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/** Budgets that change, and sessions that are suspended, saved and opened. */
final class StoreCases {
  private StoreCases() {}

  static void add(Cases cases, Fixture fixture) {
    cases.add("store: budgets change while a request runs, and no token does", () -> budgets(fixture));
    cases.add("store: a budget that cannot hold keeps the old one", () -> refused(fixture));
    cases.add("store: suspend and go on", () -> suspend(fixture));
    cases.add("store: save, reopen, save again", () -> save(fixture));
    cases.add("store: a key that is asked for, and wiped", () -> keys(fixture));
    cases.add("store: verify, compact, tokens, remove", () -> tools(fixture));
    cases.add("store: errors of files by class", () -> errors(fixture));
    cases.add("store: a damaged file is a verdict, or corrupt", () -> damage(fixture));
  }

  private static byte[] key(int seed) {
    byte[] key = new byte[SessionKey.BYTES];
    Arrays.fill(key, (byte) seed);
    return key;
  }

  private static void budgets(Fixture fixture) throws Exception {
    int[] prompt = fixture.text(400);
    RequestOptions options = new RequestOptions(prompt).maxTokens(24).ignoreEnd(true);
    int[] expected;
    try (Session session = fixture.session()) {
      expected = session.generate(options).tokens();
    }
    try (Instance instance = new Instance(fixture.options().hostKvBudgetBytes(256 << 20));
        Model model = instance.load(fixture.modelFile);
        Session session = model.createSession()) {
      CompletableFuture<Generation> generation = session.generateAsync(options);
      Cases.eventually("it has begun", () -> session.info().kvBytes() > 4 << 20);
      AtomicInteger told = new AtomicInteger();
      // All KV is more than the first and the last of these.
      for (long bytes : new long[] {5 << 20, 256 << 20, 4 << 20}) {
        instance.changeHostKvBudget(bytes, (done, total) -> told.incrementAndGet() > 0, null);
        equal(bytes, instance.statistics().hostKvBudgetBytes());
        check(instance.statistics().hostKvBytes() <= bytes, instance.statistics().toString());
      }
      check(told.get() > 0 && !generation.isDone(), "told " + told + " times, while it ran");
      equal(expected, generation.get().tokens());
    }
  }

  private static void refused(Fixture fixture) {
    try (Instance instance = new Instance(fixture.options().hostKvBudgetBytes(64 << 20));
        Model model = instance.load(fixture.modelFile);
        Session session = model.createSession();
        CancelFlag flag = instance.createCancelFlag()) {
      session.evaluate(fixture.text(800));
      flag.set();
      long bytes = instance.statistics().hostKvBytes() * 3 / 4;
      fails(LeoamException.Cancelled.class, () -> instance.changeHostKvBudget(bytes, null, flag));
      IllegalStateException thrown =
          fails(
              IllegalStateException.class,
              () ->
                  instance.changeHostKvBudget(
                      bytes,
                      (done, total) -> {
                        throw new IllegalStateException("mine");
                      },
                      null));
      equal("mine", thrown.getMessage());
      equal(64L << 20, instance.statistics().hostKvBudgetBytes());
      LeoamException.NoSpace failure = fails(LeoamException.NoSpace.class, () -> instance.changeHostKvBudget(1));
      check(failure.neededBytes() > 1, "needed " + failure.neededBytes());
      equal(1L, failure.availableBytes());
      equal(64L << 20, instance.statistics().hostKvBudgetBytes());
      fails(LeoamException.InvalidArgument.class, () -> instance.changeHostKvBudget(-1));
    }
  }

  private static void suspend(Fixture fixture) {
    try (Session session = fixture.session()) {
      session.evaluate(fixture.text(200));
      float[] logits = session.logits();
      int[] told = {0};
      session.suspend(
          new SuspendOptions()
              .onProgress(
                  (done, total) -> {
                    ++told[0];
                    return done <= total;
                  }));
      check(told[0] > 0, "told nothing");
      equal(0L, session.info().residentKvBytes());
      check(Arrays.equals(logits, session.logits()), "logits stay");
      session.evaluate(new int[] {100});
      equal(201L, session.info().nTokens());
    }
  }

  private static void save(Fixture fixture) {
    // Text beyond ASCII in the name of the file.
    String path = fixture.file("saved-\u4F60\u597D");
    int[] expected;
    try (SessionKey key = SessionKey.of(key(1))) {
      SaveOptions options = new SaveOptions().path(path).key(key);
      try (Session session = fixture.session()) {
        session.evaluate(fixture.text(100));
        int[] told = {0};
        session.save(options.onProgress((done, total) -> ++told[0] > 0));
        check(told[0] > 0, "told nothing");
        equal(1L, session.fileInfo().get().generation());
        session.evaluate(fixture.text(30));
        session.save();
        SessionFileInfo info = session.fileInfo().get();
        equal(130L, info.nTokens());
        check(info.encrypted() && !info.indexLost(), info.toString());
        equal(16, info.modelHash().length);
        check(session.info().hasFile(), "it has a file");
        fails(LeoamException.Busy.class, () -> fixture.instance.sessionFile(path, new FileOptions().key(key)).info());
        expected = session.generate(new RequestOptions(new int[] {100}).maxTokens(5)).tokens();
      }
      FileOptions file = new FileOptions().key(key);
      try (Session session = fixture.model.openSession(path, file, new SessionOptions())) {
        equal(130L, session.info().nTokens());
        equal(expected, session.generate(new RequestOptions(new int[] {100}).maxTokens(5)).tokens());
      }
      SessionFile closed = fixture.instance.sessionFile(path, file);
      equal(130, closed.tokens().length);
      equal(path, closed.path());
      closed.remove();
    }
  }

  private static void keys(Fixture fixture) {
    String path = fixture.file("asked");
    byte[][] seen = new byte[1][];
    int[] asked = {0};
    KeyFunction function =
        key -> {
          equal(SessionKey.BYTES, key.length);
          Arrays.fill(key, (byte) 7);
          seen[0] = key;
          ++asked[0];
          return true;
        };
    try (Session session = fixture.session()) {
      session.evaluate(fixture.text(20));
      session.save(new SaveOptions().path(path).key(SessionKey.ask(function)));
    }
    equal(1, asked[0]);
    // The array that the function was given is wiped.
    equal(new byte[SessionKey.BYTES], seen[0]);
    // The library has copied the bytes of the function, as of an array.
    byte[] mine = key(7);
    SessionKey key = SessionKey.of(mine);
    Arrays.fill(mine, (byte) 0);
    fixture.model.openSession(Path.of(path), new FileOptions().key(key)).close();
    key.close();
    fails(
        LeoamException.InvalidArgument.class,
        () -> fixture.model.openSession(Path.of(path), new FileOptions().key(key)));
    fails(
        LeoamException.Cancelled.class,
        () -> fixture.model.openSession(Path.of(path), new FileOptions().key(SessionKey.ask(room -> false))));
    IllegalStateException thrown =
        fails(
            IllegalStateException.class,
            () ->
                fixture.model.openSession(
                    Path.of(path),
                    new FileOptions()
                        .key(
                            SessionKey.ask(
                                room -> {
                                  throw new IllegalStateException("no key");
                                }))));
    equal("no key", thrown.getMessage());
    fixture.instance.sessionFile(path, new FileOptions()).remove();
  }

  private static void tools(Fixture fixture) {
    String path = fixture.file("tools");
    try (Session session = fixture.session()) {
      session.evaluate(fixture.text(200));
      session.save(new SaveOptions().path(Path.of(path)).plaintext(true));
      session.truncate(64);
      session.save();
    }
    int[] told = {0};
    SessionFile file =
        fixture.instance.sessionFile(path, new FileOptions().onProgress((done, total) -> ++told[0] > 0));
    SessionFileInfo before = file.info();
    check(!before.encrypted() && before.usedBytes() < before.fileBytes(), before.toString());
    Verdict verdict = file.verify();
    check(verdict.whole() && verdict.findings().isEmpty() && verdict.firstBadToken().isEmpty(), verdict.toString());
    check(told[0] > 0 && verdict.nPages() > 0, verdict.toString());
    file.compact();
    check(file.info().fileBytes() < before.fileBytes(), file.info().toString());
    equal(Arrays.copyOf(fixture.text(200), 64), file.tokens());
    file.remove();
    fails(LeoamException.NotFound.class, file::info);
    fails(LeoamException.NotFound.class, file::remove);
  }

  private static void errors(Fixture fixture) {
    String path = fixture.file("errors");
    SessionKey right = SessionKey.of(key(1));
    try (Session session = fixture.session()) {
      session.evaluate(fixture.text(20));
      fails(LeoamException.InvalidArgument.class, session::save);
      fails(LeoamException.InvalidArgument.class, () -> session.save(new SaveOptions().path(path)));
      fails(
          LeoamException.InvalidArgument.class,
          () -> session.save(new SaveOptions().path(path).plaintext(true).key(right)));
      for (int size : new int[] {0, 31, 33, 1000}) {
        fails(
            LeoamException.InvalidArgument.class,
            () -> session.save(new SaveOptions().path(path).key(SessionKey.of(new byte[size]))));
      }
      fails(
          LeoamException.NotFound.class,
          () -> session.save(new SaveOptions().path(fixture.file("none/file")).key(right)));
      session.save(new SaveOptions().path(path).key(right));
      fails(
          LeoamException.InvalidArgument.class,
          () -> session.save(new SaveOptions().path(fixture.file("other")).key(right)));
      try (Session other = fixture.session()) {
        other.evaluate(fixture.text(20));
        fails(LeoamException.Busy.class, () -> other.save(new SaveOptions().path(path).key(right)));
      }
      fails(LeoamException.Busy.class, () -> fixture.model.openSession(Path.of(path), new FileOptions().key(right)));
    }
    Path file = Path.of(path);
    fails(
        LeoamException.InvalidArgument.class,
        () -> fixture.model.openSession(file, new FileOptions().key(SessionKey.of(key(2)))));
    fails(LeoamException.InvalidArgument.class, () -> fixture.model.openSession(file, new FileOptions()));
    fails(
        LeoamException.InvalidArgument.class,
        () ->
            fixture.model.openSession(
                path, new FileOptions().key(right), new SessionOptions().contextTokens(10)));
    fails(
        LeoamException.NotFound.class,
        () -> fixture.model.openSession(fixture.folder.resolve("none"), new FileOptions()));
    fixture.instance.sessionFile(path, new FileOptions()).remove();
  }

  private static void damage(Fixture fixture) throws Exception {
    Path file = Path.of(fixture.file("damaged"));
    try (Session session = fixture.session()) {
      session.evaluate(fixture.text(200));
      session.save(new SaveOptions().path(file).plaintext(true));
    }
    byte[] bytes = Files.readAllBytes(file);
    // Everywhere but in the first and the last of it.
    for (int i = bytes.length / 4; i < bytes.length * 3 / 4; i += 4096) {
      bytes[i] ^= 1;
    }
    Files.write(file, bytes);
    SessionFile damaged = fixture.instance.sessionFile(file.toString(), new FileOptions());
    try {
      Verdict verdict = damaged.verify();
      check(!verdict.whole() && !verdict.findings().isEmpty(), verdict.toString());
      check(verdict.nFindings() >= verdict.findings().size(), verdict.toString());
      check(verdict.nBadPages() + verdict.nMissingPages() > 0, verdict.toString());
      check(verdict.firstBadToken().isPresent(), verdict.toString());
    } catch (LeoamException.Corrupt corrupt) {
      contains(corrupt.getMessage(), " ");
    }
    Arrays.fill(bytes, (byte) 'x');
    Files.write(file, bytes);
    fails(LeoamException.Corrupt.class, damaged::info);
    fails(LeoamException.Corrupt.class, () -> fixture.model.openSession(file, new FileOptions()));
    Files.delete(file);
  }
}
