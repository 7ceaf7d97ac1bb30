using System;
using System.Diagnostics;
using System.IO;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using LeoAM;
using static Fixture;

internal static class LifeCases
{
    private static RequestOptions Endless()
    {
        return new RequestOptions { Prompt = Tokens(5), MaxTokens = 5000, IgnoreEnd = true };
    }

    [Case("a busy session says so, and may be disposed")]
    private static void Busy()
    {
        Session session = TheModel.CreateSession();
        Request request = session.Submit(Endless());
        Fails<LeoamBusyException>(() => session.Evaluate(Tokens(3)));
        session.Dispose();
        request.Dispose();
    }

    [Case("objects may be disposed while other threads are inside calls of them")]
    private static void DisposeWhileBusy()
    {
        for (int round = 0; round < 10; ++round)
        {
            Session session = TheModel.CreateSession();
            Request request = session.Submit(Endless());
            // Inside a wait, inside a poll, and inside what reads texts of the library.
            Task[] inside =
            {
                Task.Run(() => EndsByDisposal(() => request.Wait(Timeout.InfiniteTimeSpan), once: true)),
                Task.Run(() => EndsByDisposal(() => request.Next())),
                Task.Run(() => EndsByDisposal(() => session.GetInfo())),
            };
            Thread.Sleep(round * 5);
            request.Dispose();
            session.Dispose();
            Expect(Task.WaitAll(inside, TimeSpan.FromSeconds(20 * Patience)), "a call did not end");
        }
        // A long call ends as usual.
        Session evaluating = TheModel.CreateSession();
        Task evaluation = evaluating.EvaluateAsync(Tokens(600));
        Thread.Sleep(30);
        evaluating.Dispose();
        evaluation.Wait();
        Fails<ObjectDisposedException>(() => evaluating.GetInfo());
    }

    private static void EndsByDisposal(Action call, bool once = false)
    {
        try
        {
            do
            {
                call();
            }
            while (!once);
        }
        catch (ObjectDisposedException)
        {
        }
    }

    [Case("parents may be disposed first")]
    private static void Parents()
    {
        var one = new Instance(new InstanceOptions
        {
            NThreads = 1,
            StateFolder = Path.Combine(Folder, "parents"),
            LogLevel = LogLevel.Debug,
            Log = (level, message) => { },
        });
        Model its = one.Load(ModelPath);
        Session session = its.CreateSession();
        one.Dispose();
        its.Dispose();
        var options = new RequestOptions { Prompt = Tokens(10), MaxTokens = 3, IgnoreEnd = true };
        Same(3, session.Generate(options).Tokens.Length);
        using (Session fork = session.Fork())
        {
            session.Dispose();
            fork.Evaluate(Tokens(3));
        }
        Fails<ObjectDisposedException>(() => one.GetStatistics());
    }

    [Case("two threads work side by side")]
    private static void TwoThreads()
    {
        var options = new RequestOptions { Prompt = Tokens(50), MaxTokens = 20, IgnoreEnd = true };
        Func<int[]> generate = () =>
        {
            using (Session session = TheModel.CreateSession())
            {
                return session.Generate(options).Tokens;
            }
        };
        int[] expected = generate();
        Task<int[]> one = Task.Run(generate), two = Task.Run(generate);
        SameList(expected, one.Result);
        SameList(expected, two.Result);
        // One session does not serve two at once.
        using (Session session = TheModel.CreateSession())
        using (session.Submit(Endless()))
        {
            Task second = Task.Run(() => session.Truncate(0));
            Fails<LeoamBusyException>(() => second.GetAwaiter().GetResult());
        }
    }

    [Case("what is not disposed is collected")]
    private static void Collected()
    {
        Forget(10);
        Collect();
        long used = TheInstance.GetStatistics().HostKvBytes;
        for (int round = 0; round < 4; ++round)
        {
            Forget(10);
            Collect();
        }
        Expect(TheInstance.GetStatistics().HostKvBytes <= used + (4 << 20));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(int count)
    {
        for (int i = 0; i < count; ++i)
        {
            TheModel.CreateSession().Evaluate(Tokens(3));
            TheModel.CreateSession().Submit(Endless()).Poll();
            TheInstance.CreateCancelFlag().Set();
        }
    }

    [Case("a request with a function goes on until its last event though nobody holds either")]
    private static void Unheld()
    {
        using (Session session = TheModel.CreateSession())
        using (var done = new ManualResetEventSlim())
        {
            WeakReference request = Submit(session, done);
            var clock = Stopwatch.StartNew();
            while (!done.Wait(1))
            {
                Expect(clock.Elapsed.TotalSeconds < 60 * Patience, "the last event does not come");
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
            RequestCases.WaitUntilFree(session);
            Collect();
            Expect(!request.IsAlive, "what has finished is not collected");
        }
        using (var one = new Instance(
            new InstanceOptions { NThreads = 2, StateFolder = Path.Combine(Folder, "unheld") }))
        using (Model model = one.Load(ModelPath))
        using (Session session = model.CreateSession())
        using (var never = new ManualResetEventSlim())
        {
            WeakReference request = Submit(session, never);
            one.Detach();
            RequestCases.WaitUntilFree(session);
            Collect();
            Expect(!request.IsAlive, "what was detached is not collected");
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Submit(Session session, ManualResetEventSlim done)
    {
        WeakReference reference = null;
        // The frame that has held the request is gone, and nothing of its stack is looked at.
        var thread = new Thread(() =>
        {
            int count = 0;
            reference = new WeakReference(session.Submit(new RequestOptions
            {
                Prompt = Tokens(30),
                MaxTokens = 40,
                IgnoreEnd = true,
                OnEvent = next =>
                {
                    count += next.Kind == EventKind.Token ? 1 : 0;
                    if (next.Kind == EventKind.Finished && count == 40)
                    {
                        done.Set();
                    }
                    return true;
                },
            }));
        });
        thread.Start();
        thread.Join();
        return reference;
    }

    [Case("two hundred instances come and go without growth")]
    private static void Many()
    {
        long before = 0;
        for (int i = 0; i < 200; ++i)
        {
            using (var one = new Instance(new InstanceOptions
            {
                NThreads = 2,
                StateFolder = Path.Combine(Folder, "many"),
                Log = (level, message) => { },
            }))
            {
                one.Plan(ModelPath, new PlanOptions { ContextTokens = 1024 });
            }
            if (i == 60)
            {
                Collect();
                before = MemoryBytes();
            }
        }
        Collect();
        long grown = MemoryBytes() - before;
        Expect(grown < 12 << 20, "it grew by " + grown + " bytes");
    }
}
