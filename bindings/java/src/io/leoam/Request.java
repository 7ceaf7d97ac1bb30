package io.leoam;

import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * One generation on a session. Closing it cancels it, and its session is free again when that returns, except from
 * inside a callback. For each event, {@link #iterator}; for each piece of text, {@link #texts}; from a loop of your
 * own, {@link #poll} and {@link #step}.
 */
public final class Request extends NativeObject implements Iterable<Event> {
  // A thread that waits looks so often whether the request was closed.
  private static final long WAIT_US = 20_000;

  private final Delivery delivery;
  private final Callbacks listener;
  private volatile boolean ended;

  Request(long value, InstanceState state, Delivery delivery, Callbacks listener) {
    super(
        new Handle(
            value,
            Request::detach,
            Native::requestRelease,
            () -> {
              if (listener != null) {
                listener.end();
              }
              state.release();
            }));
    this.delivery = delivery;
    this.listener = listener;
    if (delivery == Delivery.CALLBACK) {
      listener.hold(this);
    }
  }

  private static void detach(long request) {
    try (CError error = new CError()) {
      Native.requestDetach(request, error);
    }
  }

  /** The next event, if there is one now. Not with {@link Delivery#CALLBACK}. Driver. */
  public Optional<Event> poll() {
    try (CEvent c = new CEvent()) {
      Event event =
          view(
              (request, error) -> {
                Native.requestPoll(request, c, error);
                return error.getCode() != 0 || c.getKind() == Native.LEOAM_EVENT_NONE ? null : Event.of(c);
              });
      if (event != null && event.kind() == EventKind.FINISHED) {
        ended = true;
      }
      return Optional.ofNullable(event);
    }
  }

  /**
   * The next event, waiting for it ({@link Delivery#POLL}) or working for it ({@link Delivery#STEP}); empty after the
   * last. Interrupting the thread cancels the request. Driver.
   *
   * @throws LeoamException the failure of a failed request, behind its events
   */
  public Optional<Event> next() {
    while (!ended) {
      Optional<Event> event = poll();
      if (event.isPresent()) {
        return event;
      }
      if (Thread.currentThread().isInterrupted()) {
        cancel();
      }
      if (delivery == Delivery.STEP) {
        step(0);
      } else {
        act((request, error) -> Native.requestAwaitEvent(request, WAIT_US, error));
      }
    }
    finishReason();
    return Optional.empty();
  }

  /** The events by {@link #next}. */
  @Override
  public Iterator<Event> iterator() {
    return new Iterator<>() {
      private Optional<Event> ahead;

      @Override
      public boolean hasNext() {
        if (ahead == null) {
          ahead = Request.this.next();
        }
        return ahead.isPresent();
      }

      @Override
      public Event next() {
        if (!hasNext()) {
          throw new NoSuchElementException();
        }
        Event event = ahead.get();
        ahead = null;
        return event;
      }
    };
  }

  /** The pieces of text by {@link #next}, empty ones left out. */
  public Iterable<String> texts() {
    return () ->
        new Iterator<>() {
          private final Iterator<Event> events = iterator();
          private String ahead = "";

          @Override
          public boolean hasNext() {
            while (ahead.isEmpty() && events.hasNext()) {
              ahead = events.next().text();
            }
            return !ahead.isEmpty();
          }

          @Override
          public String next() {
            if (!hasNext()) {
              throw new NoSuchElementException();
            }
            String text = ahead;
            ahead = "";
            return text;
          }
        };
  }

  /**
   * Works on the calling thread and the instance's for about {@code budgetUs} microseconds (0: one indivisible piece);
   * the overrun is at most one layer of one piece. True when the request has finished; its events are then still to be
   * polled. Of {@link Delivery#STEP}. Driver.
   */
  public boolean step(long budgetUs) {
    Check.count(budgetUs, "budgetUs");
    return call((request, error) -> Native.requestStep(request, budgetUs, error));
  }

  /** The request finishes within 100 ms of work; events up to then stay. */
  public void cancel() {
    act((request, error) -> Native.requestCancel(request));
  }

  /**
   * Waits until the request has finished; false when the time is over first. A finished request has still its events to
   * be polled; a stepped one finishes inside {@link #step} only.
   */
  public boolean await(long timeout, TimeUnit unit) {
    long limit = Check.limit(unit.toMicros(timeout), "timeout");
    try {
      act((request, error) -> Native.requestWait(request, limit, error));
      return true;
    } catch (LeoamException.Busy timedOut) {
      if (limit == -1) {
        throw timedOut;
      }
      return false;
    }
  }

  /**
   * Cancels, and when it returns no callback of the request is running and none will start. From inside a callback it
   * returns at once, and that callback is the last.
   */
  public void detach() {
    act(Native::requestDetach);
    if (listener != null) {
      listener.letGo();
    }
  }

  /**
   * Why the request has finished, NONE before.
   *
   * @throws LeoamException the failure of a failed request
   * @throws RuntimeException what a callback of the finished request has thrown
   */
  public FinishReason finishReason() {
    FinishReason[] reason = {FinishReason.NONE};
    try {
      act((request, error) -> reason[0] = FinishReason.of(Native.requestGetResult(request, error)));
    } finally {
      if (listener != null && reason[0] != FinishReason.NONE) {
        listener.rethrow();
      }
    }
    return reason[0];
  }

  /** What the request has done; cheap enough for every frame. */
  public RequestStatistics statistics() {
    try (CRequestStatistics c = new CRequestStatistics()) {
      act((request, error) -> Native.requestGetStatistics(request, c, error));
      return RequestStatistics.of(c);
    }
  }

  /** All events, as what they come to. */
  Generation drain() {
    StringBuilder text = new StringBuilder();
    int[] tokens = new int[0];
    int count = 0;
    for (Event event : this) {
      text.append(event.text());
      if (event.kind() == EventKind.TOKEN) {
        if (count == tokens.length) {
          tokens = Arrays.copyOf(tokens, Math.max(64, 2 * count));
        }
        tokens[count++] = event.token();
      }
    }
    return new Generation(
        text.toString(), Arrays.copyOf(tokens, count), finishReason(), statistics());
  }
}
