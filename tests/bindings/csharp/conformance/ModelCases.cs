using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using LeoAM;
using static Fixture;

internal static class ModelCases
{
    [Case("the library says what it is")]
    private static void Build()
    {
        Same(3, Library.BuildInfo.Version.Split('.').Length);
        Expect(Library.BuildInfo.FilePath.Contains("libleoam"));
        Expect(TheInstance.Describe()["cpu.chosen"].Length > 0);
        Fails<LeoamBusyException>(() => Library.Path = "/elsewhere");
    }

    [Case("a model loads with progress and tells about itself")]
    private static void Load()
    {
        long newest = 0, all = 0;
        using (Model one = TheInstance.Load(ModelPath, new LoadOptions
        {
            OnProgress = (done, total) =>
            {
                Expect(done >= newest && done <= total);
                newest = done;
                all = total;
                return true;
            },
        }))
        {
            Expect(newest > 0 && newest == all);
            Same("llama", one.Info.Architecture);
            Same(30, one.Info.NLayers);
            Expect(one.Info.HasTokenizer && one.Info.HasChatTemplate && !one.Info.HeaderOnly);
            Expect(one.GetMetadata()["general.architecture"].Contains("llama"));
            one.Dispose();
            Expect(one.IsDisposed);
        }
    }

    [Case("a model loads in the background, and a token cancels that")]
    private static void LoadAsync()
    {
        var shares = new Shares();
        using (Model one = TheInstance.LoadAsync(ModelPath, progress: shares).Result)
        {
            Same(30, one.Info.NLayers);
        }
        Same(1.0, shares.Newest);
        using (var source = new CancellationTokenSource())
        {
            var first = new Shares { Each = share => source.Cancel() };
            Task<Model> task = TheInstance.LoadAsync(ModelPath, progress: first, token: source.Token);
            Fails<OperationCanceledException>(() => task.GetAwaiter().GetResult());
            Same(TaskStatus.Canceled, task.Status);
        }
        Task<Model> missing = TheInstance.LoadAsync(Path.Combine(Folder, "none.gguf"));
        Fails<LeoamNotFoundException>(() => missing.GetAwaiter().GetResult());
    }

    [Case("a plan needs the header only")]
    private static void Plans()
    {
        Plan plan = TheInstance.Plan(ModelPath, new PlanOptions { ContextTokens = 4096, KvType = KvType.F16 });
        Same(4096L, plan.ContextTokens);
        Expect(plan.Fits);
        Same(plan.KvBytes, plan.KvTokenBytes * 4096);
        Same(KvType.F16, plan.KvType);
        var shorter = new LoadOptions { ContextTokens = 1024 };
        Same(1024L, TheInstance.PlanAsync(ModelPath, load: shorter).Result.ContextTokens);
    }

    [Case("text survives both ways")]
    private static void Text()
    {
        string[] texts =
        {
            "plain", "emoji \U0001F469\u200D\U0001F469\u200D\U0001F467 \U0001F1EA\U0001F1FA",
            "\u6F22\u5B57 \u304B\u306A \uD55C\uAE00", "e\u0301", "a\0b", "", "  blanks  \n\t",
        };
        foreach (string text in texts)
        {
            Same(text, TheModel.Detokenize(TheModel.Tokenize(text)));
        }
        TokenInfo end = TheModel.GetToken(TheModel.FindToken("<|im_end|>").Value);
        Same(TokenType.Control, end.Type);
        Expect(end.EndsGeneration);
        Expect(TheModel.FindToken("no such token") == null);
        Expect(TheModel.Tokenize("<|im_end|>").Length > 1);
        Same(1, TheModel.Tokenize("<|im_end|>", special: true).Length);
    }

    [Case("text that is cut or no UTF-8 is neither lost nor fatal")]
    private static void CutText()
    {
        byte[][] cut =
        {
            new byte[] { 0x63, 0xF0, 0x9F, 0x98 }, new byte[] { 0xBF, 0x80, 0x61 },
        };
        foreach (byte[] bytes in cut)
        {
            int[] tokens = TheModel.Tokenize(bytes);
            SameList(bytes, TheModel.DetokenizeBytes(tokens));
            Expect(TheModel.Detokenize(tokens).Contains("\uFFFD"));
        }
        // Half of a surrogate pair is no text: U+FFFD, but no other name of a file.
        Same("a\uFFFDb", TheModel.Detokenize(TheModel.Tokenize("a\uD83Db")));
        Fails<LeoamInvalidArgumentException>(() => TheInstance.Load("/tmp/\uD83D.gguf"));
    }

    [Case("tokens become text as they come, in whole characters")]
    private static void Decoder()
    {
        const string text = "family \U0001F469\u200D\U0001F469\u200D\U0001F467, \u6F22\u5B57";
        TokenDecoder decoder = TheModel.CreateTokenDecoder();
        var joined = new StringBuilder();
        bool cut = false;
        foreach (int token in TheModel.Tokenize(text))
        {
            string piece = decoder.Add(token);
            Expect(!piece.Contains("\uFFFD"));
            cut = cut || piece.Length == 0;
            joined.Append(piece);
        }
        Expect(cut, "no token of the text was a part of a character");
        Same(text, joined.ToString());
        Same("", decoder.End());
        decoder.Add(TheModel.Tokenize(new byte[] { 0xF0, 0x9F, 0x98 }));
        Same("\uFFFD", decoder.End());
    }

    [Case("a chat becomes the model's own format")]
    private static void Chat()
    {
        ChatMessage[] messages = { ChatMessage.System("Be brief."), ChatMessage.User("Hi \U0001F44B") };
        string text = TheModel.RenderChat(messages);
        Expect(text.Contains("<|im_start|>user\nHi \U0001F44B<|im_end|>"));
        SameList(TheModel.Tokenize(text, special: true), TheModel.TokenizeChat(messages));
        Expect(TheModel.RenderChat(messages, new ChatOptions { GenerationPrompt = false }).Length < text.Length);
        Expect(TheModel.RenderChat(messages, new ChatOptions
        {
            Variables = new Dictionary<string, string> { { "enable_thinking", "false" } },
        }).Length > 0);
    }

    [Case("errors come by class and say what to do")]
    private static void Errors()
    {
        string none = Path.Combine(Folder, "none.gguf");
        var notFound = Fails<LeoamNotFoundException>(() => TheInstance.Load(none));
        Expect(notFound.Message.Contains("none.gguf"));
        Same(3, notFound.Code);
        string bad = Path.Combine(Folder, "bad.gguf");
        using (FileStream source = File.OpenRead(ModelPath))
        {
            var head = new byte[100000];
            Same(head.Length, source.Read(head, 0, head.Length));
            File.WriteAllBytes(bad, head);
        }
        Fails<LeoamCorruptException>(() => TheInstance.Load(bad));
        using (Session session = TheModel.CreateSession(new SessionOptions { ContextTokens = 64 }))
        {
            Fails<LeoamInvalidArgumentException>(() => session.Evaluate(Tokens(65)));
            Fails<LeoamInvalidArgumentException>(() => session.Evaluate(new[] { 1000000 }));
        }
        using (var small = new Instance(new InstanceOptions
        {
            NThreads = 1,
            HostKvBudgetBytes = 1 << 20,
            DiskKvBudgetBytes = 1,
            StateFolder = Path.Combine(Folder, "small"),
        }))
        using (Model model = small.Load(ModelPath))
        using (Session full = model.CreateSession())
        {
            var noSpace = Fails<LeoamNoSpaceException>(() => full.Evaluate(Tokens(900)));
            Expect(noSpace.NeededBytes > noSpace.AvailableBytes && noSpace.AvailableBytes > 0);
        }
        Fails<LeoamUnsupportedException>(() => TheModel.CreateSession(new SessionOptions { Policy = "nonsense" }));
        Fails<LeoamUnsupportedException>(() => TheInstance.ChangeDeviceKvBudget(1));
        Fails<LeoamInvalidArgumentException>(() => new Instance(new InstanceOptions { CpuLevel = "mmx" }));
    }

    [Case("misuse is refused")]
    private static void Misuse()
    {
        Fails<LeoamInvalidArgumentException>(() => new Instance(new InstanceOptions { NThreads = -1 }));
        Fails<LeoamInvalidArgumentException>(
            () => TheModel.CreateSession(new SessionOptions { SparsePrefillTokens = -1 }));
        Fails<LeoamInvalidArgumentException>(
            () => TheModel.CreateSession(new SessionOptions { KvType = (KvType)99 }));
        Fails<LeoamInvalidArgumentException>(() => TheModel.GetToken(-1));
        Fails<ArgumentNullException>(() => TheModel.Tokenize((string)null));
        Fails<ArgumentNullException>(() => TheInstance.Load(null));
        Fails<ArgumentNullException>(() => TheModel.TokenizeChat(new ChatMessage[] { null }));
        Session session = TheModel.CreateSession();
        Fails<ArgumentNullException>(() => session.Evaluate(null));
        Fails<LeoamInvalidArgumentException>(() => session.GetLogits());
        Fails<LeoamInvalidArgumentException>(() => session.Submit(new RequestOptions()));
        session.Dispose();
        session.Dispose();
        Fails<ObjectDisposedException>(() => session.GetInfo());
        CancelFlag flag = TheInstance.CreateCancelFlag();
        flag.Dispose();
        Fails<ObjectDisposedException>(() => TheInstance.Load(ModelPath, new LoadOptions { Cancel = flag }));
    }

    [Case("the log comes to a function, and what that throws is lost")]
    private static void Log()
    {
        int messages = 0;
        using (var one = new Instance(new InstanceOptions
        {
            NThreads = 1,
            StateFolder = Path.Combine(Folder, "log"),
            LogLevel = LogLevel.Debug,
            Log = (level, message) =>
            {
                Expect(level >= LogLevel.Error && level <= LogLevel.Debug && message.Length > 0);
                Interlocked.Increment(ref messages);
                throw new Exception("lost");
            },
        }))
        using (Model model = one.Load(ModelPath))
        using (Session session = model.CreateSession())
        {
            session.Evaluate(Tokens(3));
            Expect(messages > 0, "no message came");
            one.Detach();
        }
    }

    /// <summary>Unlike Progress, reports at once and in order.</summary>
    internal sealed class Shares : IProgress<double>
    {
        internal double Newest { get; private set; }

        internal Action<double> Each { get; set; }

        public void Report(double share)
        {
            Expect(share >= Newest && share <= 1);
            Newest = share;
            if (Each != null)
            {
                Each(share);
            }
        }
    }
}
