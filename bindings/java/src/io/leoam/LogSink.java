package io.leoam;

/** Takes messages of the library, from any thread, one at a time. Must not call the library; what it throws is lost. */
@FunctionalInterface
public interface LogSink {
  /** One message. */
  void log(LogLevel level, String message);
}
