using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using LeoAM;
using static Fixture;

internal static class RequestCases
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20 * Patience);

    private static RequestOptions Endless(int promptTokens)
    {
        return new RequestOptions { Prompt = Tokens(promptTokens), MaxTokens = 5000, IgnoreEnd = true };
    }

    [Case("an answer streams in whole characters")]
    private static void Stream()
    {
        int[] prompt = TheModel.TokenizeChat(
            new[] { ChatMessage.User("Write three emoji and the word cat.") });
        using (Session session = TheModel.CreateSession())
        using (Request request = session.Submit(new RequestOptions { Prompt = prompt, MaxTokens = 24 }))
        {
            var kinds = new HashSet<EventKind>();
            long count = 0;
            foreach (Event next in request.Events())
            {
                kinds.Add(next.Kind);
                Expect(!next.Text.Contains("\uFFFD"));
                count += next.Kind == EventKind.Token ? 1 : 0;
            }
            Same(3, kinds.Count);
            FinishReason reason = request.GetFinishReason();
            Expect(reason == FinishReason.Stop || reason == FinishReason.Length);
            RequestStatistics statistics = request.GetStatistics();
            Same(prompt.Length, (int)statistics.PromptTokens);
            Same(count, statistics.GeneratedTokens);
            Expect(statistics.TimeToFirstTokenUs > 0);
            Expect(request.Next() == null && request.Poll() == null);
        }
        // The same by the shortest way.
        string text, streamed;
        var options = new RequestOptions { Prompt = prompt, MaxTokens = 24 };
        using (Session session = TheModel.CreateSession())
        {
            text = session.Generate(options).Text;
        }
        using (Session session = TheModel.CreateSession())
        {
            streamed = string.Concat(session.Stream(options));
        }
        Same(text, streamed);
        Expect(text.Length > 0);
    }

    [Case("polled, stepped and told tokens are the same, and a seed repeats")]
    private static void Deliveries()
    {
        var options = new RequestOptions
        {
            Prompt = Tokens(40),
            MaxTokens = 12,
            IgnoreEnd = true,
            Sampler = new SamplerOptions { Temperature = 0.8f, Seed = 7 },
        };
        int[] polled;
        using (Session session = TheModel.CreateSession())
        {
            polled = session.Generate(options).Tokens;
        }
        Same(12, polled.Length);
        options.Delivery = Delivery.Step;
        using (Session session = TheModel.CreateSession())
        using (Request request = session.Submit(options))
        {
            SameList(polled, request.Events().Where(e => e.Kind == EventKind.Token).Select(e => e.Token).ToList());
        }
        var told = new List<int>();
        options.OnEvent = next =>
        {
            if (next.Kind == EventKind.Token)
            {
                told.Add(next.Token);
            }
            return true;
        };
        using (Session session = TheModel.CreateSession())
        using (Request request = session.Submit(options))
        {
            Expect(request.Wait(Soon));
            Fails<LeoamInvalidArgumentException>(() => request.Poll());
        }
        SameList(polled, told);
    }

    [Case("stop texts and budgets of tokens end an answer")]
    private static void Ends()
    {
        var options = new RequestOptions { Prompt = Tokens(60), MaxTokens = 40, Stop = new[] { "Tuesday", "nine" } };
        using (Session session = TheModel.CreateSession())
        {
            string text = session.Generate(options).Text;
            Expect(!text.Contains("Tuesday") && !text.Contains("nine"));
        }
        using (Session session = TheModel.CreateSession())
        {
            options = new RequestOptions { Prompt = Tokens(60), PrefillOnly = true, MaxTokens = 9 };
            Same(0, session.Generate(options).Tokens.Length);
            options = new RequestOptions { MaxTokens = 3, IgnoreEnd = true };
            Generation three = session.Generate(options);
            Same(3, three.Tokens.Length);
            Same(FinishReason.Length, three.FinishReason);
        }
    }

    [Case("a step keeps to its budget")]
    private static void Steps()
    {
        using (Session session = TheModel.CreateSession())
        using (Request request = session.Submit(
            new RequestOptions { Prompt = Tokens(200), MaxTokens = 4, IgnoreEnd = true, Delivery = Delivery.Step }))
        {
            int steps = 0;
            while (!request.Step(2000))
            {
                ++steps;
            }
            Expect(steps > 10);
            Same(FinishReason.Length, request.GetFinishReason());
            Expect(request.Poll().Kind == EventKind.Prefill);
        }
    }

    [Case("a cancelled answer ends soon")]
    private static void Cancel()
    {
        using (Session session = TheModel.CreateSession())
        using (Request request = session.Submit(Endless(2000)))
        {
            Thread.Sleep(50);
            Expect(!request.Wait(TimeSpan.Zero) && !request.Wait(TimeSpan.FromMilliseconds(30)));
            var clock = Stopwatch.StartNew();
            request.Cancel();
            Expect(request.Wait(Soon));
            // 100 ms of work, and what a busy machine adds.
            Expect(clock.Elapsed.TotalSeconds < 0.1 * Patience + 0.4, "it took " + clock.Elapsed);
            Same(FinishReason.Cancelled, request.GetFinishReason());
        }
    }

    [Case("a task ends with its token, and a stream with its enumerator")]
    private static void Tokens()
    {
        using (Session session = TheModel.CreateSession())
        using (var source = new CancellationTokenSource())
        {
            var pieces = new Pieces { Each = piece => source.Cancel() };
            Task<Generation> task = session.GenerateAsync(Endless(5), pieces, source.Token);
            Fails<OperationCanceledException>(() => task.GetAwaiter().GetResult());
            Same(TaskStatus.Canceled, task.Status);
            Same(TaskStatus.Canceled, session.GenerateAsync(Endless(5), null, source.Token).Status);
            Fails<OperationCanceledException>(() => session.Stream(Endless(5), source.Token).Count());
            int n = 0;
            foreach (string piece in session.Stream(Endless(5)))
            {
                if (++n == 3)
                {
                    break;
                }
            }
            // Free again.
            session.Truncate(0);
            var three = new RequestOptions { Prompt = Tokens(5), MaxTokens = 3, IgnoreEnd = true };
            Generation generation = session.GenerateAsync(three).Result;
            Same(3, generation.Tokens.Length);
            Task<Generation> failed = session.GenerateAsync(new RequestOptions { Prompt = new[] { -1 } });
            Fails<LeoamInvalidArgumentException>(() => failed.GetAwaiter().GetResult());
        }
    }

    [Case("an observer is told everything, and a disposed subscription nothing more")]
    private static void Observe()
    {
        using (Session session = TheModel.CreateSession())
        using (var done = new ManualResetEventSlim())
        {
            var observer = new Observer(done);
            var options = new RequestOptions { Prompt = Tokens(5), MaxTokens = 3, IgnoreEnd = true };
            using (session.Observe(options).Subscribe(observer))
            {
                Expect(done.Wait(Soon));
            }
            Same(3, observer.Tokens);
            Expect(observer.Completed);
            session.Truncate(0);
            IDisposable subscription = null;
            using (var subscribed = new ManualResetEventSlim())
            {
                var first = new Observer(done);
                first.Each = () =>
                {
                    subscribed.Wait();
                    subscription.Dispose();
                };
                subscription = session.Observe(Endless(5)).Subscribe(first);
                subscribed.Set();
                WaitUntilFree(session);
                Same(1, first.Events);
                Expect(!first.Completed);
            }
        }
    }

    [Case("functions that throw on the calling thread stop the call and nothing else")]
    private static void ThrowHere()
    {
        ProgressFunction throwing = (done, total) => { throw new NotImplementedException("mine"); };
        for (int i = 0; i < 3; ++i)
        {
            Same("mine", Fails<NotImplementedException>(
                () => TheInstance.Load(ModelPath, new LoadOptions { OnProgress = throwing })).Message);
        }
        using (Session session = TheModel.CreateSession(new SessionOptions { PieceTokens = 64 }))
        {
            Fails<NotImplementedException>(
                () => session.Evaluate(Tokens(300), new EvaluateOptions { OnProgress = throwing }));
            Fails<NotImplementedException>(() => session.Evaluate(Tokens(3), new EvaluateOptions
            {
                OnLogits = (position, logits) => { throw new NotImplementedException(); },
            }));
            // No lock stayed held.
            session.Evaluate(Tokens(3));
            using (Request request = session.Submit(new RequestOptions
            {
                Prompt = Tokens(5),
                Delivery = Delivery.Step,
                OnLogits = logits => { throw new NotImplementedException("drawn"); },
            }))
            {
                Same("drawn", Fails<NotImplementedException>(() => request.Texts().Count()).Message);
            }
            session.Evaluate(Tokens(3));
        }
    }

    [Case("functions that throw on threads of the library stop the request and nothing else")]
    private static void ThrowThere()
    {
        using (Session session = TheModel.CreateSession())
        {
            int here = Thread.CurrentThread.ManagedThreadId;
            using (Request request = session.Submit(new RequestOptions
            {
                Prompt = Tokens(5),
                OnEvent = next =>
                {
                    Expect(Thread.CurrentThread.ManagedThreadId != here);
                    throw new NotImplementedException("there");
                },
            }))
            {
                Expect(request.Wait(Soon));
                Same("there", Fails<NotImplementedException>(() => request.GetFinishReason()).Message);
            }
            Fails<NotImplementedException>(() => session.Generate(new RequestOptions
            {
                Prompt = Tokens(5),
                OnLogits = logits => { throw new NotImplementedException(); },
            }));
            Task<Generation> task = session.GenerateAsync(new RequestOptions
            {
                Prompt = Tokens(5),
                OnLogits = logits => { throw new NotImplementedException(); },
            });
            Fails<NotImplementedException>(() => task.GetAwaiter().GetResult());
            session.Evaluate(Tokens(3));
        }
    }

    [Case("inside a callback what computes is refused, and disposing works")]
    private static void Inside()
    {
        using (Session session = TheModel.CreateSession())
        {
            Exception found = null;
            Request request = null;
            using (var submitted = new ManualResetEventSlim())
            using (var called = new ManualResetEventSlim())
            {
                RequestOptions options = Endless(5);
                options.OnEvent = next =>
                {
                    submitted.Wait();
                    if (next.Kind != EventKind.Token)
                    {
                        return true;
                    }
                    try
                    {
                        Fails<LeoamBusyException>(() => TheModel.CreateSession().Evaluate(Tokens(3)));
                        Fails<LeoamBusyException>(() => request.Wait(Timeout.InfiniteTimeSpan));
                        Expect(TheInstance.GetStatistics().NThreads == 2);
                        request.Dispose();
                    }
                    catch (Exception exception)
                    {
                        found = exception;
                    }
                    called.Set();
                    return true;
                };
                request = session.Submit(options);
                submitted.Set();
                Expect(called.Wait(Soon));
            }
            if (found != null)
            {
                throw found;
            }
            WaitUntilFree(session);
            Fails<ObjectDisposedException>(() => request.GetStatistics());
        }
    }

    [Case("detach ends what runs")]
    private static void Detach()
    {
        using (var one = new Instance(
            new InstanceOptions { NThreads = 2, StateFolder = Folder + "/detach" }))
        using (Model model = one.Load(ModelPath))
        using (Session session = model.CreateSession())
        using (Request request = session.Submit(Endless(1000)))
        {
            one.Detach();
            Expect(request.Wait(Soon));
            Same(FinishReason.Cancelled, request.GetFinishReason());
        }
    }

    internal static void WaitUntilFree(Session session)
    {
        var clock = Stopwatch.StartNew();
        for (;;)
        {
            try
            {
                session.Truncate(0);
                return;
            }
            catch (LeoamBusyException)
            {
                Expect(clock.Elapsed < Soon, "the session stays busy");
                Thread.Sleep(5);
            }
        }
    }

    private static int[] Tokens(int count)
    {
        return Fixture.Tokens(count);
    }

    private sealed class Pieces : IProgress<string>
    {
        internal Action<string> Each { get; set; }

        public void Report(string piece)
        {
            Each(piece);
        }
    }

    private sealed class Observer : IObserver<Event>
    {
        private readonly ManualResetEventSlim done;

        internal Observer(ManualResetEventSlim done)
        {
            this.done = done;
        }

        internal Action Each { get; set; }

        internal int Events { get; private set; }

        internal int Tokens { get; private set; }

        internal bool Completed { get; private set; }

        public void OnNext(Event next)
        {
            ++Events;
            Tokens += next.Kind == EventKind.Token ? 1 : 0;
            if (Each != null)
            {
                Each();
            }
        }

        public void OnError(Exception exception)
        {
            done.Set();
        }

        public void OnCompleted()
        {
            Completed = true;
            done.Set();
        }
    }
}
