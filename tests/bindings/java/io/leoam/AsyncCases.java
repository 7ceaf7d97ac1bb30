package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.equal;
import static io.leoam.Cases.fails;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;

/** Futures and publishers. */
final class AsyncCases {
  private AsyncCases() {}

  static void add(Cases cases, Fixture fixture) {
    cases.add("future: completes with the session free", () -> future(fixture));
    cases.add("future: cancelling it cancels the generation", () -> cancelFuture(fixture));
    cases.add("future: failures come through it", () -> failures(fixture));
    cases.add("future: ends when the instance is detached", () -> detached(fixture));
    cases.add("publisher: events come as they are asked for", () -> publisher(fixture));
    cases.add("publisher: cancelling the subscription frees the session", () -> cancelSubscription(fixture));
    cases.add("publisher: misuse comes as an error", () -> misuse(fixture));
  }

  private static final long SECONDS = 60L * Cases.patience();

  private static void future(Fixture fixture) throws Exception {
    try (Session session = fixture.session()) {
      CompletableFuture<Integer> tokens =
          session
              .generateAsync(new RequestOptions(fixture.prompt()).maxTokens(5))
              .thenApply(
                  generation -> {
                    // Not in a callback: the session can be driven.
                    session.truncate(0);
                    return generation.tokens().length;
                  });
      equal(5, tokens.get(SECONDS, TimeUnit.SECONDS));
      equal(0L, session.info().nTokens());
    }
  }

  private static void cancelFuture(Fixture fixture) throws Exception {
    try (Session session = fixture.session()) {
      CompletableFuture<Generation> future =
          session.generateAsync(new RequestOptions(fixture.prompt()).maxTokens(4000).ignoreEnd(true));
      future.cancel(true);
      fails(CancellationException.class, future::get);
      Cases.eventually("the session is free", () -> free(session));
    }
  }

  private static boolean free(Session session) {
    try {
      session.truncate(0);
      return true;
    } catch (LeoamException.Busy busy) {
      return false;
    }
  }

  private static void failures(Fixture fixture) throws Exception {
    try (Session session = fixture.session()) {
      check(session.generateAsync(new RequestOptions()).isCompletedExceptionally(), "no prompt");
      ExecutionException failure =
          fails(
              ExecutionException.class,
              () ->
                  session
                      .generateAsync(
                          new RequestOptions(fixture.prompt())
                              .onLogits(
                                  logits -> {
                                    throw new IllegalStateException("from the sampler");
                                  }))
                      .get(SECONDS, TimeUnit.SECONDS));
      equal("from the sampler", failure.getCause().getMessage());
      session.truncate(0);
    }
  }

  private static void detached(Fixture fixture) throws Exception {
    try (Instance instance = new Instance(fixture.options());
        Model model = instance.load(fixture.modelFile);
        Session session = model.createSession()) {
      CompletableFuture<Generation> future =
          session.generateAsync(new RequestOptions(fixture.prompt()).maxTokens(4000).ignoreEnd(true));
      instance.detach();
      equal(FinishReason.CANCELLED, future.get(SECONDS, TimeUnit.SECONDS).finishReason());
    }
  }

  private static final class Taker implements Flow.Subscriber<Event> {
    final List<Event> events = new ArrayList<>();
    final CountDownLatch ended = new CountDownLatch(1);
    volatile Flow.Subscription subscription;
    volatile Throwable failure;
    private final long first;
    private final long more;

    Taker(long first, long more) {
      this.first = first;
      this.more = more;
    }

    @Override
    public void onSubscribe(Flow.Subscription given) {
      subscription = given;
      if (first != 0) {
        given.request(first);
      }
    }

    @Override
    public void onNext(Event event) {
      synchronized (events) {
        events.add(event);
      }
      if (more != 0) {
        subscription.request(more);
      }
    }

    @Override
    public void onError(Throwable throwable) {
      failure = throwable;
      ended.countDown();
    }

    @Override
    public void onComplete() {
      ended.countDown();
    }

    int count() {
      synchronized (events) {
        return events.size();
      }
    }

    void await() throws InterruptedException {
      check(ended.await(SECONDS, TimeUnit.SECONDS), "it has not ended");
    }
  }

  private static void publisher(Fixture fixture) throws Exception {
    for (Taker taker : List.of(new Taker(1, 1), new Taker(Long.MAX_VALUE, 5))) {
      try (Session session = fixture.session()) {
        Flow.Publisher<Event> publisher = session.publish(new RequestOptions(fixture.prompt()).maxTokens(5));
        equal(0L, session.info().nTokens());
        publisher.subscribe(taker);
        taker.await();
        equal(null, taker.failure);
        equal(5L, taker.events.stream().filter(event -> event.kind() == EventKind.TOKEN).count());
        session.truncate(0);
      }
    }
    try (Session session = fixture.session()) {
      Taker slow = new Taker(2, 0);
      session.publish(new RequestOptions(fixture.prompt()).maxTokens(5)).subscribe(slow);
      Cases.eventually("two events", () -> slow.count() == 2);
      Thread.sleep(50);
      equal(2, slow.count());
      slow.subscription.request(100);
      slow.await();
    }
  }

  private static void cancelSubscription(Fixture fixture) throws Exception {
    try (Session session = fixture.session()) {
      Taker taker = new Taker(1, 1);
      session.publish(new RequestOptions(fixture.prompt()).maxTokens(4000).ignoreEnd(true)).subscribe(taker);
      Cases.eventually("some events", () -> taker.count() > 3);
      taker.subscription.cancel();
      taker.subscription.cancel();
      Cases.eventually("the session is free", () -> free(session));
      check(taker.ended.getCount() == 1, "no signal behind the cancelling");
    }
  }

  private static void misuse(Fixture fixture) throws Exception {
    try (Session session = fixture.session()) {
      Taker none = new Taker(-5, 0);
      Flow.Publisher<Event> publisher = session.publish(new RequestOptions(fixture.prompt()).maxTokens(5));
      publisher.subscribe(none);
      none.await();
      check(none.failure instanceof IllegalArgumentException, "demand: " + none.failure);
      Taker second = new Taker(1, 1);
      publisher.subscribe(second);
      second.await();
      check(second.failure instanceof IllegalStateException, "second: " + second.failure);
      Taker wrong = new Taker(1, 1);
      session.publish(new RequestOptions(new int[] {-1})).subscribe(wrong);
      wrong.await();
      check(wrong.failure instanceof LeoamException.InvalidArgument, "prompt: " + wrong.failure);
      fails(NullPointerException.class, () -> publisher.subscribe(null));
    }
  }
}
