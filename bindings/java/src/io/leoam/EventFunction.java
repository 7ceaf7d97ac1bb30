package io.leoam;

/**
 * Takes the events of a request, on a thread of the library, in order, one at a time. That thread does nothing else
 * meanwhile: be short.
 */
@FunctionalInterface
public interface EventFunction {
  /** False stops the generation. */
  boolean onEvent(Event event);
}
