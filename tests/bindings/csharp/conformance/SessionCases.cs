using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using LeoAM;
using static Fixture;

internal static class SessionCases
{
    private static int[] Generated(Session session, int maxTokens)
    {
        return session.Generate(new RequestOptions { MaxTokens = maxTokens, IgnoreEnd = true }).Tokens;
    }

    [Case("progress and a flag stop a prefill, which keeps whole pieces")]
    private static void Prefill()
    {
        using (Session session = TheModel.CreateSession(new SessionOptions { PieceTokens = 64 }))
        using (CancelFlag flag = TheInstance.CreateCancelFlag())
        {
            Fails<LeoamCancelledException>(() => session.Evaluate(
                Tokens(1000), new EvaluateOptions { OnProgress = (done, total) => done < 128 }));
            long kept = session.GetInfo().NTokens;
            Expect(kept >= 128 && kept < 1000 && kept % 64 == 0);
            var options = new EvaluateOptions { Cancel = flag };
            flag.Set();
            Fails<LeoamCancelledException>(() => session.Evaluate(Tokens(100), options));
            flag.Clear();
            session.Evaluate(Tokens(10), options);
            Same(kept + 10, session.GetInfo().NTokens);
        }
    }

    [Case("an evaluation goes on in the background, and a token cancels it")]
    private static void EvaluateAsync()
    {
        using (Session session = TheModel.CreateSession(new SessionOptions { PieceTokens = 64 }))
        using (var source = new CancellationTokenSource())
        {
            var shares = new ModelCases.Shares();
            session.EvaluateAsync(Tokens(130), progress: shares).Wait();
            Same(1.0, shares.Newest);
            Same(130L, session.GetInfo().NTokens);
            var first = new ModelCases.Shares { Each = share => source.Cancel() };
            Task task = session.EvaluateAsync(Tokens(1000), progress: first, token: source.Token);
            Fails<OperationCanceledException>(() => task.GetAwaiter().GetResult());
            Same(TaskStatus.Canceled, task.Status);
            Same(TaskStatus.Canceled, session.EvaluateAsync(Tokens(3), token: source.Token).Status);
            Task failed = session.EvaluateAsync(new[] { -1 });
            Fails<LeoamInvalidArgumentException>(() => failed.GetAwaiter().GetResult());
        }
    }

    [Case("logits come out, and change what is drawn")]
    private static void Logits()
    {
        using (Session session = TheModel.CreateSession())
        {
            int nVocab = TheModel.Info.NVocab;
            long positions = 0;
            session.Evaluate(Tokens(20), new EvaluateOptions
            {
                AllLogits = true,
                OnLogits = (position, logits) =>
                {
                    Same(positions++, position);
                    Expect(logits.Length == nVocab && !float.IsNaN(logits[0]));
                    return true;
                },
            });
            Same(20L, positions);
            Same(nVocab, session.GetLogits().Length);
            Same(TheModel.Info.NLayers * TheModel.Info.NHeads, session.GetCoverage().Length);
            Same(1f, session.GetAttention()[0, 0].Coverage);
            Same(TheModel.Info.NLayers, session.GetLayerTimes().Length);
            Same(KvType.Default, session.GetKvChoice().KvType);
            var options = new RequestOptions
            {
                MaxTokens = 3,
                IgnoreEnd = true,
                OnLogits = logits =>
                {
                    for (int i = 0; i < logits.Length; ++i)
                    {
                        logits[i] = i == 42 ? 1 : 0;
                    }
                    return true;
                },
            };
            SameList(new[] { 42, 42, 42 }, session.Generate(options).Tokens);
            Same(42, session.GetTokens()[22]);
            session.Truncate(5);
            Same(5, session.GetTokens().Length);
            SameList(Tokens(5), session.GetTokens());
            Fails<LeoamInvalidArgumentException>(() => session.GetTokens(3, 3));
        }
    }

    [Case("sessions fork and change apart")]
    private static void Fork()
    {
        using (Session one = TheModel.CreateSession())
        {
            one.Evaluate(Tokens(80));
            using (Session two = one.Fork())
            {
                Same(TheModel, two.Model);
                SameList(Generated(one, 8), Generated(two, 8));
                two.Truncate(10);
                Same(88L, one.GetInfo().NTokens);
            }
        }
    }

    [Case("budgets change while an answer comes, and nothing else does")]
    private static void Budgets()
    {
        var options = new RequestOptions { Prompt = Tokens(600), MaxTokens = 30, IgnoreEnd = true };
        int[] expected;
        using (Session session = TheModel.CreateSession())
        {
            expected = session.Generate(options).Tokens;
        }
        long before = TheInstance.GetStatistics().HostKvBudgetBytes;
        var tokens = new List<int>();
        using (Session session = TheModel.CreateSession())
        using (Request request = session.Submit(options))
        {
            foreach (Event next in request.Events())
            {
                if (next.Kind != EventKind.Token)
                {
                    continue;
                }
                tokens.Add(next.Token);
                if (tokens.Count == 5)
                {
                    TheInstance.ChangeHostKvBudget(6 << 20, (done, total) => true);
                }
                if (tokens.Count == 20)
                {
                    TheInstance.ChangeHostKvBudgetAsync(before).Wait();
                }
            }
        }
        SameList(expected, tokens);
        Same(before, TheInstance.GetStatistics().HostKvBudgetBytes);
        Expect(TheInstance.GetStatistics().DiskWrittenBytes > 0);
        TheInstance.SetDiskKvBudget(1L << 34);
        TheInstance.SetDiskWriteCap(LeoAM.Instance.Unlimited);
        Same(LeoAM.Instance.Unlimited, TheInstance.GetStatistics().DiskWriteCapBytes);
        Task device = TheInstance.ChangeDeviceKvBudgetAsync(1);
        Fails<LeoamUnsupportedException>(() => device.GetAwaiter().GetResult());
    }

    [Case("a session is saved and goes on where it stopped")]
    private static void Save()
    {
        string path = Path.Combine(Folder, "saved.session");
        int[] expected;
        using (Session session = TheModel.CreateSession(new SessionOptions { Policy = "leoam" }))
        using (var key = new SessionKey(Key()))
        {
            session.Evaluate(Tokens(120));
            Expect(session.GetFileInfo() == null);
            var shares = new ModelCases.Shares();
            session.SaveAsync(new SaveOptions { Path = path, Key = key }, shares).Wait();
            Same(1.0, shares.Newest);
            Same(120L, session.GetFileInfo().NTokens);
            expected = Generated(session, 6);
        }
        using (var key = new SessionKey(Key()))
        {
            var file = new SessionFile(TheInstance, path, new SessionFileOptions { Key = key });
            SameList(Tokens(120), file.GetTokens());
            SessionFileInfo info = file.GetInfo();
            Expect(info.Encrypted && info.NTokens == 120 && info.ModelHash.Length == 16);
            Expect(info.ModelName.Length > 0);
            Verdict verdict = file.VerifyAsync().Result;
            Expect(verdict.Whole && verdict.Findings.Count == 0 && verdict.FirstBadToken == null);
        }
        int asked = 0;
        byte[] given = null;
        var asking = new SessionKey(key =>
        {
            ++asked;
            given = key;
            Key().CopyTo(key, 0);
            return true;
        });
        using (Session again = TheModel.OpenSession(
            path, new SessionFileOptions { Key = asking }, new SessionOptions { Policy = "leoam" }))
        {
            Same(1, asked);
            SameList(new byte[SessionKey.NBytes], given);
            Same("leoam", again.GetInfo().Policy);
            SameList(expected, Generated(again, 6));
            again.SuspendAsync().Wait();
            again.Suspend();
            again.Save();
            Expect(again.GetInfo().HasFile);
            Fails<LeoamBusyException>(() => TheModel.OpenSession(path, new SessionFileOptions { Key = asking }));
        }
    }

    [Case("keys that are wrong, missing or refused open nothing")]
    private static void Keys()
    {
        string path = Path.Combine(Folder, "keys.session");
        using (Session session = TheModel.CreateSession())
        {
            session.Evaluate(Tokens(40));
            session.Save(new SaveOptions { Path = path, Key = new SessionKey(Key()) });
        }
        Action<SessionKey> open = key => TheModel.OpenSession(path, new SessionFileOptions { Key = key }).Dispose();
        open(new SessionKey(Key()));
        Fails<LeoamInvalidArgumentException>(() => open(new SessionKey(Key(8))));
        Fails<LeoamInvalidArgumentException>(() => open(null));
        Fails<LeoamInvalidArgumentException>(() => open(new SessionKey(new byte[5])));
        Fails<LeoamCancelledException>(() => open(new SessionKey(key => false)));
        var mine = Fails<NotImplementedException>(
            () => open(new SessionKey(key => { throw new NotImplementedException("mine"); })));
        Same("mine", mine.Message);
        var wiped = new SessionKey(Key());
        wiped.Dispose();
        wiped.Dispose();
        Fails<ObjectDisposedException>(() => open(wiped));
        var file = new SessionFile(TheInstance, path, new SessionFileOptions { Key = new SessionKey(Key()) });
        file.Compact();
        Expect(file.Verify().Whole);
        file.Remove();
        Fails<LeoamNotFoundException>(() => open(new SessionKey(Key())));
        Fails<LeoamNotFoundException>(() => file.Remove());
    }

    [Case("damage in a plaintext file is a verdict with findings")]
    private static void Damage()
    {
        string path = Path.Combine(Folder, "damaged.session");
        using (Session session = TheModel.CreateSession())
        {
            session.Evaluate(Tokens(200));
            session.Save(new SaveOptions { Path = path, Plaintext = true });
        }
        using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite))
        {
            file.Position = file.Length / 2;
            file.Write(new byte[4096], 0, 4096);
        }
        Verdict verdict = new SessionFile(TheInstance, path).Verify();
        Expect(!verdict.Whole && verdict.NBadPages > 0 && verdict.FirstBadToken != null);
        Expect(verdict.Findings.Count > 0 && verdict.Findings[0].Length > 0);
    }
}
