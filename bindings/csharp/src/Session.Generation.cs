using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using LeoAM.Interop;

namespace LeoAM
{
    public sealed partial class Session
    {
        /// <summary>
        /// Starts a generation; options are copied. With <see cref="Delivery.Callback"/> events may come before this
        /// returns, and come until the last one though nobody holds the request. Not in callbacks.
        /// </summary>
        /// <param name="options">The prompt, and what ends it.</param>
        /// <returns>To be disposed; one that is collected while it runs is cancelled.</returns>
        /// <exception cref="LeoamException">
        /// InvalidArgument (an option, a token id, a prompt that the context cannot hold, an empty one without logits),
        /// Busy.
        /// </exception>
        public Request Submit(RequestOptions options)
        {
            Check.Given(options, nameof(options));
            return Start(options, options.OnEvent != null ? Delivery.Callback : options.Delivery);
        }

        /// <summary>A whole generation.</summary>
        /// <param name="options">The prompt, and what ends it; how events come does not count.</param>
        /// <returns>Text, tokens, why it ended and what it took.</returns>
        public Generation Generate(RequestOptions options)
        {
            using (Request request = Start(options, Delivery.Poll))
            {
                return request.Drain(each => { });
            }
        }

        /// <summary>
        /// A whole generation, awaited on a thread of its own. What awaits the task runs outside of callbacks, with the
        /// session free again.
        /// </summary>
        /// <param name="options">The prompt, and what ends it; how events come does not count.</param>
        /// <param name="progress">Pieces of text as they come, in whole characters; or null.</param>
        /// <param name="token">Cancels within 100 ms.</param>
        /// <returns>Text, tokens, why it ended and what it took.</returns>
        public Task<Generation> GenerateAsync(
            RequestOptions options,
            IProgress<string> progress = null,
            CancellationToken token = default(CancellationToken))
        {
            if (token.IsCancellationRequested)
            {
                return Task.FromCanceled<Generation>(token);
            }
            try
            {
                return DrainAsync(Start(options, Delivery.Poll), progress, token);
            }
            catch (LeoamException exception)
            {
                return Task.FromException<Generation>(exception);
            }
        }

        /// <summary>
        /// The pieces of text of a generation, in whole characters. It starts when the first is asked for, and is
        /// cancelled when the enumerator is disposed, as <c>foreach</c> does at its end.
        /// </summary>
        /// <param name="options">The prompt, and what ends it; how events come does not count.</param>
        /// <param name="token">Cancels within 100 ms.</param>
        /// <returns>Each enumerator is a generation.</returns>
        public IEnumerable<string> Stream(
            RequestOptions options, CancellationToken token = default(CancellationToken))
        {
            Check.Given(options, nameof(options));
            return Pieces(options, token);
        }

        /// <summary>
        /// The events of a generation, which begins when somebody subscribes. They come on a thread of its own, outside
        /// of callbacks; generation waits while 256 are untaken. Disposing the subscription cancels it.
        /// </summary>
        /// <param name="options">The prompt, and what ends it; how events come does not count.</param>
        /// <returns>Each subscription is a generation.</returns>
        public IObservable<Event> Observe(RequestOptions options)
        {
            return new Generations(this, Check.Given(options, nameof(options)));
        }

        private IEnumerable<string> Pieces(RequestOptions options, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            using (Request request = Start(options, Delivery.Poll))
            using (token.Register(request.Cancel))
            {
                foreach (string piece in request.Texts())
                {
                    yield return piece;
                }
                if (request.GetFinishReason() == FinishReason.Cancelled)
                {
                    token.ThrowIfCancellationRequested();
                }
            }
        }

        private static async Task<Generation> DrainAsync(
            Request request, IProgress<string> progress, CancellationToken token)
        {
            // The token is not for the scheduler, which would leave the request running.
            return await Task.Factory.StartNew(() =>
            {
                using (request)
                using (token.Register(request.Cancel))
                {
                    Generation generation = request.Drain(next =>
                    {
                        if (progress != null && next.Text.Length > 0)
                        {
                            progress.Report(next.Text);
                        }
                    });
                    if (generation.FinishReason == FinishReason.Cancelled)
                    {
                        token.ThrowIfCancellationRequested();
                    }
                    return generation;
                }
            }, CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
                TaskScheduler.Default).ConfigureAwait(false);
        }

        private Request Start(RequestOptions options, Delivery delivery)
        {
            Check.Given(options, nameof(options));
            Check.Given(options.Sampler, nameof(options.Sampler));
            var stop = new Utf8.Texts(Check.Given(options.Stop, nameof(options.Stop)), nameof(options.Stop));
            Callbacks listener = Callbacks.Of(new Callbacks.Functions
            {
                Event = delivery == Delivery.Callback ? options.OnEvent : null,
                Sampler = options.OnLogits,
            });
            try
            {
                using (CRequestOptions c = options.ToC(delivery))
                using (CSamplerOptions sampler = options.Sampler.ToC())
                {
                    NativeHandle made = Make(
                        null,
                        (session, unused, error) => Native.SessionSubmit(
                            session, c, sampler, options.Prompt, stop.Bytes, stop.Sizes, listener, error),
                        request =>
                        {
                            Native.RequestRelease(request);
                            if (listener != null)
                            {
                                listener.End();
                            }
                        });
                    return new Request(State, made, delivery, listener);
                }
            }
            catch
            {
                if (listener != null)
                {
                    listener.End();
                }
                throw;
            }
        }

        private sealed class Generations : IObservable<Event>
        {
            private readonly Session session;
            private readonly RequestOptions options;

            internal Generations(Session session, RequestOptions options)
            {
                this.session = session;
                this.options = options;
            }

            public IDisposable Subscribe(IObserver<Event> observer)
            {
                Check.Given(observer, nameof(observer));
                var subscription = new Subscription(session.Start(options, Delivery.Poll), observer);
                Task.Factory.StartNew(
                    subscription.Run,
                    CancellationToken.None,
                    TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
                    TaskScheduler.Default);
                return subscription;
            }
        }

        private sealed class Subscription : IDisposable
        {
            private readonly Request request;
            private readonly IObserver<Event> observer;
            private volatile bool disposed;

            internal Subscription(Request request, IObserver<Event> observer)
            {
                this.request = request;
                this.observer = observer;
            }

            /// <summary>Nothing more is told, but for what is being told now.</summary>
            public void Dispose()
            {
                disposed = true;
                request.Cancel();
            }

            internal void Run()
            {
                using (request)
                {
                    try
                    {
                        foreach (Event next in request.Events())
                        {
                            if (disposed)
                            {
                                return;
                            }
                            observer.OnNext(next);
                        }
                    }
                    catch (Exception exception)
                    {
                        if (!disposed)
                        {
                            observer.OnError(exception);
                        }
                        return;
                    }
                }
                // The session is free again.
                if (!disposed)
                {
                    observer.OnCompleted();
                }
            }
        }
    }
}
