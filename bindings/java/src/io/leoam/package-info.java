/**
 * LeoAM for Java: local language models over very long context.
 *
 * <p>An {@link io.leoam.Instance} has the threads and the budgets, a {@link io.leoam.Model} the weights, a {@link
 * io.leoam.Session} one sequence of tokens with its KV cache, and a {@link io.leoam.Request} is one generation on it.
 * A {@link io.leoam.SessionFile} is a saved session without its model.
 *
 * <p><b>Closing.</b> These objects, and {@link io.leoam.CancelFlag}, own native memory: close them, in any order, as
 * often as you like. A parent that is closed lives on inside until its children are closed too. Closing while another
 * thread is inside a call is safe: that call finishes or fails with {@link io.leoam.LeoamException.Closed}, as do
 * later ones. What is forgotten is closed some time after the garbage collector has found it.
 *
 * <p><b>Threads.</b> Every method may be called from any thread, unless it says <i>driver</i>: then one thread at a
 * time for one object, and a second one gets {@link io.leoam.LeoamException.Busy}. Inside callbacks, methods that
 * compute, read files or wait fail with Busy too; getters, cancelling and closing work.
 *
 * <p><b>Errors.</b> Calls throw {@link io.leoam.LeoamException}, a subclass for each class of error. An exception
 * that a callback throws stops the work and comes out of the call that had been given the callback.
 *
 * <p><b>Numbers.</b> Sizes are in bytes unless a name says tokens; times are in microseconds unless a name says
 * seconds. In options, 0 means the default. Text is Unicode: what is no character in a String (half of a surrogate
 * pair) goes to the library as U+FFFD, and so come bytes that are no UTF-8.
 */
package io.leoam;
