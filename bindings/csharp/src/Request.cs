using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text;
using System.Threading;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// One generation on a session. Disposing it cancels it, and its session is free again when that returns, except
    /// from inside a callback, or while another thread is inside a call of the request: then when that has ended, which
    /// is soon. For each event, <see cref="Events"/>; for each piece of text, <see cref="Texts"/>; from a loop of your
    /// own, <see cref="Poll"/> and <see cref="Step"/>.
    /// </summary>
    public sealed class Request : NativeObject
    {
        // A thread that waits looks so often whether the request was disposed.
        private const ulong WaitUs = 20000;
        private const ulong TicksPerUs = TimeSpan.TicksPerMillisecond / 1000;

        private readonly Delivery delivery;
        private readonly Callbacks listener;
        // The text of an event lives until the next poll.
        private readonly object polling = new object();
        private volatile bool ended;

        internal Request(InstanceState state, NativeHandle handle, Delivery delivery, Callbacks listener)
            : base(state, handle)
        {
            this.delivery = delivery;
            this.listener = listener;
            if (delivery == Delivery.Callback && listener != null)
            {
                listener.Hold(this);
            }
        }

        internal override void BeforeRelease()
        {
            try
            {
                Hold(value =>
                {
                    using (var error = new CError())
                    {
                        Native.RequestDetach(value, error);
                    }
                    return true;
                });
            }
            catch (ObjectDisposedException)
            {
                // Collected in the meantime.
            }
        }

        /// <summary>
        /// The next event, if there is one now. Not with <see cref="Delivery.Callback"/>. [one thread at a time]
        /// </summary>
        /// <returns>Null when there is none.</returns>
        public Event Poll()
        {
            lock (polling)
            {
                Event next = Get(
                    new CEvent(),
                    Native.RequestPoll,
                    c => c.Kind == Native.LEOAM_EVENT_NONE ? null : new Event(c));
                if (next != null && next.Kind == EventKind.Finished)
                {
                    ended = true;
                }
                return next;
            }
        }

        /// <summary>
        /// The next event, waiting for it (<see cref="Delivery.Poll"/>) or working for it
        /// (<see cref="Delivery.Step"/>). [one thread at a time; not in callbacks]
        /// </summary>
        /// <returns>Null behind the last.</returns>
        /// <exception cref="LeoamException">The failure of a failed request, behind its events.</exception>
        public Event Next()
        {
            while (!ended)
            {
                Event next = Poll();
                if (next != null)
                {
                    return next;
                }
                if (delivery == Delivery.Step)
                {
                    Step(0);
                }
                else
                {
                    Act((request, error) => Native.RequestAwaitEvent(request, WaitUs, error));
                }
            }
            GetFinishReason();
            return null;
        }

        /// <summary>The events by <see cref="Next"/>.</summary>
        /// <returns>To be gone through once.</returns>
        public IEnumerable<Event> Events()
        {
            for (Event next = Next(); next != null; next = Next())
            {
                yield return next;
            }
        }

        /// <summary>The pieces of text by <see cref="Next"/>, in whole characters, empty ones left out.</summary>
        /// <returns>To be gone through once.</returns>
        public IEnumerable<string> Texts()
        {
            foreach (Event next in Events())
            {
                if (next.Text.Length > 0)
                {
                    yield return next.Text;
                }
            }
        }

        /// <summary>
        /// Works on the calling thread and the instance's for about so long; the overrun is at most one layer of one
        /// piece. Its events are then to be polled. Of <see cref="Delivery.Step"/>. [one thread at a time; not in
        /// callbacks]
        /// </summary>
        /// <param name="budgetUs">Microseconds; 0: one indivisible piece.</param>
        /// <returns>True when the request has finished.</returns>
        public bool Step(long budgetUs)
        {
            ulong budget = Check.Size(budgetUs, nameof(budgetUs));
            return Call((request, error) => Native.RequestStep(request, budget, error));
        }

        /// <summary>
        /// The request finishes within 100 ms of work; events up to then stay. Does nothing to a disposed one. [any
        /// thread]
        /// </summary>
        public void Cancel()
        {
            try
            {
                Act((request, error) => Native.RequestCancel(request));
            }
            catch (ObjectDisposedException)
            {
                // It was cancelled by that.
            }
        }

        /// <summary>
        /// Waits until the request has finished. It has still its events to be polled; a stepped one finishes inside
        /// <see cref="Step"/> only. [any thread; not in callbacks]
        /// </summary>
        /// <param name="timeout">Or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
        /// <returns>False when the time is over first.</returns>
        public bool Wait(TimeSpan timeout)
        {
            if (timeout < TimeSpan.Zero && timeout != Timeout.InfiniteTimeSpan)
            {
                throw new LeoamInvalidArgumentException("timeout is below 0");
            }
            ulong limit = timeout < TimeSpan.Zero ? ulong.MaxValue : (ulong)timeout.Ticks / TicksPerUs;
            var clock = Stopwatch.StartNew();
            for (;;)
            {
                ulong passed = (ulong)clock.Elapsed.Ticks / TicksPerUs;
                ulong left = limit == ulong.MaxValue ? limit : limit - Math.Min(limit, passed);
                // Inside a callback the library refuses at once or, of another instance, waits as usual.
                ulong slice = Callbacks.Inside ? left : Math.Min(left, WaitUs);
                try
                {
                    Act((request, error) => Native.RequestWait(request, slice, error));
                    return true;
                }
                catch (LeoamBusyException) when (slice != ulong.MaxValue)
                {
                    if (slice == left)
                    {
                        return false;
                    }
                }
            }
        }

        /// <summary>
        /// Cancels, and when it returns no callback of the request is running and none will start. From inside a
        /// callback it returns at once, and that callback is the last. [any thread]
        /// </summary>
        public void Detach()
        {
            Act(Native.RequestDetach);
            if (listener != null)
            {
                listener.LetGo();
            }
        }

        /// <summary>Why the request has finished. [any thread]</summary>
        /// <returns><see cref="FinishReason.None"/> before.</returns>
        /// <exception cref="LeoamException">The failure of a failed request.</exception>
        /// <exception cref="Exception">What a callback of the finished request has thrown.</exception>
        public FinishReason GetFinishReason()
        {
            FinishReason reason;
            try
            {
                reason = (FinishReason)Call(Native.RequestGetResult);
            }
            catch (LeoamException) when (listener != null)
            {
                // A function that throws is the reason of what the library tells.
                listener.Rethrow();
                throw;
            }
            if (listener != null && reason != FinishReason.None)
            {
                listener.Rethrow();
            }
            return reason;
        }

        /// <summary>What the request has done; cheap enough for every frame. [any thread]</summary>
        /// <returns>As of now.</returns>
        public RequestStatistics GetStatistics()
        {
            return Get(new CRequestStatistics(), Native.RequestGetStatistics, c => new RequestStatistics(c));
        }

        /// <summary>All events, as what they come to.</summary>
        internal Generation Drain(Action<Event> each)
        {
            var text = new StringBuilder();
            var tokens = new List<int>();
            foreach (Event next in Events())
            {
                text.Append(next.Text);
                if (next.Kind == EventKind.Token)
                {
                    tokens.Add(next.Token);
                }
                each(next);
            }
            return new Generation(text.ToString(), tokens.ToArray(), GetFinishReason(), GetStatistics());
        }
    }
}
