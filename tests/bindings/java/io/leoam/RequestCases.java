package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.equal;
import static io.leoam.Cases.fails;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

final class RequestCases {
  private RequestCases() {}

  static void add(Cases cases, Fixture fixture) {
    cases.add("request: three deliveries and generate give the same tokens", () -> deliveries(fixture));
    cases.add("request: seeds and samplers", () -> sampler(fixture));
    cases.add("request: a step keeps to its budget", () -> step(fixture));
    cases.add("request: cancelled within 100 ms of work, while it reads and while it writes", () -> cancel(fixture));
    cases.add("request: interrupting the thread cancels", () -> interrupt(fixture));
    cases.add("request: wait, results and statistics", () -> results(fixture));
    cases.add("request: prefill only, then go on", () -> prefillOnly(fixture));
    cases.add("request: a session is busy, its parts by class", () -> busy(fixture));
    cases.add("request: two threads, two sessions", () -> threads(fixture));
  }

  private static int[] tokensOf(Iterable<Event> events) {
    List<Integer> tokens = new ArrayList<>();
    for (Event event : events) {
      if (event.kind() == EventKind.TOKEN) {
        tokens.add(event.token());
        equal((long) tokens.size(), event.doneTokens());
      }
    }
    return tokens.stream().mapToInt(token -> token).toArray();
  }

  private static void deliveries(Fixture fixture) {
    int[] expected;
    try (Session session = fixture.session()) {
      Generation generation = session.generate(new RequestOptions(fixture.prompt()).maxTokens(12));
      expected = generation.tokens();
      equal(generation.text(), fixture.model.detokenize(expected));
      equal(12L, generation.statistics().generatedTokens());
      equal(FinishReason.LENGTH, generation.finishReason());
      equal(12, expected.length);
    }
    for (Delivery delivery : List.of(Delivery.POLL, Delivery.STEP)) {
      try (Session session = fixture.session();
          Request request =
              session.submit(new RequestOptions(fixture.prompt()).maxTokens(12).delivery(delivery))) {
        equal(expected, tokensOf(request));
        equal(FinishReason.LENGTH, request.finishReason());
        equal(Optional.empty(), request.next());
        Iterator<Event> none = request.iterator();
        check(!none.hasNext(), "no more events");
        fails(NoSuchElementException.class, none::next);
      }
    }
    List<Event> events = Collections.synchronizedList(new ArrayList<>());
    try (Session session = fixture.session();
        Request request =
            session.submit(new RequestOptions(fixture.prompt()).maxTokens(12).onEvent(events::add))) {
      check(request.await(Instance.UNLIMITED, TimeUnit.DAYS), "finished");
      equal(expected, tokensOf(events));
      equal(EventKind.PREFILL, events.get(0).kind());
      equal(EventKind.FINISHED, events.get(events.size() - 1).kind());
      fails(LeoamException.InvalidArgument.class, request::poll);
      fails(LeoamException.InvalidArgument.class, () -> request.step(0));
    }
  }

  private static void sampler(Fixture fixture) {
    int[][] drawn = new int[3][];
    long[] seeds = {-1, -1, 5};
    for (int i = 0; i < 3; ++i) {
      try (Session session = fixture.session()) {
        SamplerOptions options =
            new SamplerOptions()
                .temperature(2)
                .topK(1000)
                .topP(0.99f)
                .minP(0.0001f)
                .repetitionPenalty(1.1f)
                .repetitionWindowTokens(32)
                .seed(seeds[i]);
        RequestOptions request =
            new RequestOptions(fixture.prompt()).maxTokens(8).ignoreEnd(true).sampler(options);
        drawn[i] = session.generate(request).tokens();
      }
    }
    check(Arrays.equals(drawn[0], drawn[1]) && !Arrays.equals(drawn[0], drawn[2]), "seeds");
  }

  private static void step(Fixture fixture) {
    try (Session session = fixture.session();
        Request request =
            session.submit(
                new RequestOptions(fixture.text(300)).maxTokens(3).ignoreEnd(true).delivery(Delivery.STEP))) {
      int steps = 0;
      while (!request.step(2_000)) {
        ++steps;
      }
      check(steps > 5, "steps of 2 ms: " + steps);
      equal(3, tokensOf(request).length);
      fails(LeoamException.InvalidArgument.class, () -> request.step(-1));
    }
  }

  private static void cancel(Fixture fixture) throws Exception {
    for (int nPrompt : new int[] {4000, 20}) {
      try (Session session = fixture.session();
          Request request =
              session.submit(new RequestOptions(fixture.text(nPrompt)).maxTokens(4000).ignoreEnd(true))) {
        Event first = request.next().get();
        check(nPrompt > 20 || first.kind() == EventKind.PREFILL, first.toString());
        if (nPrompt == 20) {
          for (int i = 0; i < 3; ++i) {
            request.next();
          }
        } else {
          Thread.sleep(100);
        }
        long start = System.nanoTime();
        request.cancel();
        check(request.await(20, TimeUnit.SECONDS), "cancelled");
        long ms = (System.nanoTime() - start) / 1_000_000;
        System.out.println("      cancelled after " + ms + " ms");
        // 100 ms of work, on a machine that does other work too.
        check(ms <= 1000L * Cases.patience(), "cancelled after " + ms + " ms");
        equal(FinishReason.CANCELLED, request.finishReason());
        Event last = null;
        for (Event event : request) {
          last = event;
        }
        equal(FinishReason.CANCELLED, last.finishReason());
        request.close();
        session.truncate(0);
      }
    }
  }

  private static void interrupt(Fixture fixture) throws Exception {
    try (Session session = fixture.session()) {
      CompletableFuture<Generation> done = new CompletableFuture<>();
      Thread thread =
          new Thread(
              () -> {
                try {
                  done.complete(
                      session.generate(new RequestOptions(fixture.prompt()).maxTokens(4000).ignoreEnd(true)));
                } catch (Throwable failure) {
                  done.completeExceptionally(failure);
                }
              });
      thread.start();
      Cases.eventually("it has begun", () -> session.info().nTokens() > 0);
      thread.interrupt();
      equal(FinishReason.CANCELLED, done.get(20L * Cases.patience(), TimeUnit.SECONDS).finishReason());
    }
  }

  private static void results(Fixture fixture) {
    try (Session session = fixture.session();
        Request request =
            session.submit(new RequestOptions(fixture.prompt()).maxTokens(4000).ignoreEnd(true))) {
      equal(FinishReason.NONE, request.finishReason());
      check(!request.await(1, TimeUnit.MILLISECONDS), "not finished");
      check(!request.await(0, TimeUnit.MILLISECONDS), "not finished");
      request.cancel();
      check(request.await(20, TimeUnit.SECONDS), "finished");
      RequestStatistics statistics = request.statistics();
      equal((long) fixture.prompt().length, statistics.promptTokens());
      request.detach();
    }
  }

  private static void prefillOnly(Fixture fixture) {
    try (Session session = fixture.session()) {
      Generation nothing = session.generate(new RequestOptions(fixture.prompt()).prefillOnly(true));
      equal(0, nothing.tokens().length);
      equal((long) fixture.prompt().length, session.info().nTokens());
      equal(SessionCases.argmax(session.logits()), session.generate(new RequestOptions().maxTokens(1)).tokens()[0]);
    }
  }

  private static void busy(Fixture fixture) {
    try (Session session = fixture.session();
        Request request =
            session.submit(new RequestOptions(fixture.prompt()).maxTokens(4000).ignoreEnd(true))) {
      fails(LeoamException.Busy.class, () -> session.evaluate(new int[] {1}));
      fails(LeoamException.Busy.class, () -> session.truncate(0));
      fails(LeoamException.Busy.class, session::fork);
      fails(LeoamException.Busy.class, session::suspend);
      fails(LeoamException.Busy.class, () -> session.submit(new RequestOptions(fixture.prompt())));
      check(session.info().contextTokens() > 0, "getters work");
      request.close();
      session.truncate(0);
      session.evaluate(new int[] {1});
    }
  }

  private static void threads(Fixture fixture) throws Exception {
    int[] expected;
    try (Session session = fixture.session()) {
      expected = session.generate(new RequestOptions(fixture.prompt()).maxTokens(10)).tokens();
    }
    List<CompletableFuture<int[]>> all = new ArrayList<>();
    for (int i = 0; i < 2; ++i) {
      all.add(
          CompletableFuture.supplyAsync(
              () -> {
                try (Session session = fixture.session();
                    Request request = session.submit(new RequestOptions(fixture.prompt()).maxTokens(10))) {
                  return tokensOf(request);
                }
              },
              Background.THREADS));
    }
    for (CompletableFuture<int[]> one : all) {
      equal(expected, one.get(60L * Cases.patience(), TimeUnit.SECONDS));
    }
    // One session, two threads: the second is refused or comes after the first, and nothing is lost.
    try (Session session = fixture.session()) {
      int[] busy = {0};
      List<CompletableFuture<Integer>> calls = new ArrayList<>();
      for (int i = 0; i < 2; ++i) {
        calls.add(
            CompletableFuture.supplyAsync(
                () -> {
                  int done = 0;
                  for (int n = 0; n < 10; ++n) {
                    try {
                      session.evaluate(fixture.text(8));
                      ++done;
                    } catch (LeoamException.Busy exception) {
                      busy[0] = 1;
                    }
                  }
                  return done;
                },
                Background.THREADS));
      }
      long done = 0;
      for (CompletableFuture<Integer> call : calls) {
        done += call.get(60L * Cases.patience(), TimeUnit.SECONDS);
      }
      equal(8 * done, session.info().nTokens());
    }
  }
}
