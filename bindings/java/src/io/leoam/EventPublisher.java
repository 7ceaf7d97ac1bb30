package io.leoam;

import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/** One generation for one subscriber. A thread takes events while there is demand; else the library holds them. */
final class EventPublisher implements Flow.Publisher<Event> {
  private final Supplier<Request> start;
  private final Executor executor;
  private final AtomicBoolean subscribed = new AtomicBoolean();

  EventPublisher(Supplier<Request> start, Executor executor) {
    this.start = start;
    this.executor = executor;
  }

  @Override
  public void subscribe(Flow.Subscriber<? super Event> subscriber) {
    Objects.requireNonNull(subscriber);
    if (!subscribed.compareAndSet(false, true)) {
      refuse(subscriber, new IllegalStateException("a generation has one subscriber"));
      return;
    }
    Request request;
    try {
      request = start.get();
    } catch (RuntimeException exception) {
      refuse(subscriber, exception);
      return;
    }
    Delivered delivered = new Delivered(subscriber, request);
    try {
      subscriber.onSubscribe(delivered);
    } catch (RuntimeException | Error failure) {
      request.close();
      throw failure;
    }
    try {
      executor.execute(delivered);
    } catch (RejectedExecutionException exception) {
      request.close();
      subscriber.onError(exception);
    }
  }

  /** No onError without an onSubscribe before. */
  private static void refuse(Flow.Subscriber<? super Event> subscriber, Throwable reason) {
    subscriber.onSubscribe(
        new Flow.Subscription() {
          @Override
          public void request(long count) {}

          @Override
          public void cancel() {}
        });
    subscriber.onError(reason);
  }

  private static final class Delivered implements Flow.Subscription, Runnable {
    private final Flow.Subscriber<? super Event> subscriber;
    private final Request request;
    // Under the monitor.
    private long demand;
    private boolean cancelled;
    private Throwable misuse;

    Delivered(Flow.Subscriber<? super Event> subscriber, Request request) {
      this.subscriber = subscriber;
      this.request = request;
    }

    @Override
    public synchronized void request(long count) {
      if (count <= 0 && misuse == null) {
        misuse = new IllegalArgumentException("a demand of " + count);
      } else {
        demand = demand + count < 0 ? Long.MAX_VALUE : demand + count;
      }
      notifyAll();
    }

    @Override
    public synchronized void cancel() {
      cancelled = true;
      notifyAll();
      try {
        request.cancel();
      } catch (LeoamException.Closed done) {
        // It has finished in the meantime.
      }
    }

    @Override
    public void run() {
      Throwable failure;
      try (request) {
        failure = deliver();
      } catch (Throwable exception) {
        failure = exception;
      }
      synchronized (this) {
        if (cancelled) {
          return;
        }
        cancelled = true;
      }
      if (failure == null) {
        subscriber.onComplete();
      } else {
        subscriber.onError(failure);
      }
    }

    /** Null when all was delivered, or nothing more is wanted. */
    private Throwable deliver() throws InterruptedException {
      for (; ; ) {
        synchronized (this) {
          while (demand == 0 && !cancelled && misuse == null) {
            wait();
          }
          if (misuse != null || cancelled) {
            return misuse;
          }
        }
        Optional<Event> event = request.next();
        synchronized (this) {
          if (cancelled || event.isEmpty()) {
            return null;
          }
          --demand;
        }
        subscriber.onNext(event.get());
      }
    }
  }
}
