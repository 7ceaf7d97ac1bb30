package io.leoam;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Threads that wait for requests. They poll: a callback of the library would run what depends on a future on the
 * engine's thread, where most calls are forbidden.
 */
final class Background {
  private static final AtomicInteger COUNT = new AtomicInteger();

  static final Executor THREADS =
      Executors.newCachedThreadPool(
          work -> {
            Thread thread = new Thread(work, "leoam-wait-" + COUNT.incrementAndGet());
            thread.setDaemon(true);
            return thread;
          });

  private Background() {}

  static CompletableFuture<Generation> drain(Request request, Executor executor) {
    CompletableFuture<Generation> future = new CompletableFuture<>();
    future.whenComplete(
        (generation, failure) -> {
          if (future.isCancelled()) {
            try {
              request.cancel();
            } catch (LeoamException.Closed done) {
              // It has finished in the meantime.
            }
          }
        });
    try {
      executor.execute(
          () -> {
            try {
              Generation generation;
              try (request) {
                generation = request.drain();
              }
              future.complete(generation);
            } catch (Throwable failure) {
              future.completeExceptionally(failure);
            }
          });
    } catch (RejectedExecutionException exception) {
      request.close();
      future.completeExceptionally(exception);
    }
    return future;
  }
}
