using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using LeoAM;

/// <summary>What the cases share: one instance, one model, and how they say what they expect.</summary>
internal static class Fixture
{
    private const string Document =
        "The lighthouse keeper of Fenwick counts ships. On Monday he saw nine, on Tuesday four. ";

    private static Instance instance;
    private static Model model;

    internal static readonly string ModelPath = Path.Combine(
        Environment.GetEnvironmentVariable("LEOAM_MODELS") ??
            Path.Combine(Environment.GetEnvironmentVariable("LEOAM_SOURCE_DIR") ?? ".", "models"),
        "SmolLM2-135M-Instruct.Q4_1.gguf");

    internal static readonly string Folder = MakeFolder();

    /// <summary>Limits of time are for a machine that does nothing else; elsewhere they are multiplied.</summary>
    internal static readonly double Patience = double.Parse(
        Environment.GetEnvironmentVariable("LEOAM_TEST_PATIENCE") ?? "1", CultureInfo.InvariantCulture);

    internal static Instance TheInstance
    {
        get
        {
            return instance ?? (instance = new Instance(
                new InstanceOptions { NThreads = 2, StateFolder = Path.Combine(Folder, "state") }));
        }
    }

    internal static Model TheModel
    {
        get { return model ?? (model = TheInstance.Load(ModelPath)); }
    }

    internal static void End()
    {
        if (model != null)
        {
            model.Dispose();
        }
        if (instance != null)
        {
            instance.Dispose();
        }
        Directory.Delete(Folder, true);
    }

    /// <summary>A prompt of so many tokens.</summary>
    internal static int[] Tokens(int count)
    {
        var text = new StringBuilder();
        for (int i = 0; i <= count / 20 + 1; ++i)
        {
            text.Append(Document);
        }
        int[] tokens = TheModel.Tokenize(text.ToString(), bos: true);
        Array.Resize(ref tokens, count);
        return tokens;
    }

    internal static byte[] Key(byte value = 7)
    {
        var key = new byte[SessionKey.NBytes];
        for (int i = 0; i < key.Length; ++i)
        {
            key[i] = value;
        }
        return key;
    }

    internal static void Expect(bool holds, string what = "expected otherwise")
    {
        if (!holds)
        {
            throw new Exception(what);
        }
    }

    internal static void Same<T>(T expected, T found)
    {
        Expect(EqualityComparer<T>.Default.Equals(expected, found), "expected " + expected + ", found " + found);
    }

    internal static void SameList<T>(IReadOnlyList<T> expected, IReadOnlyList<T> found)
    {
        Same(expected.Count, found.Count);
        for (int i = 0; i < expected.Count; ++i)
        {
            Same(expected[i], found[i]);
        }
    }

    internal static T Fails<T>(Action action) where T : Exception
    {
        try
        {
            action();
        }
        catch (Exception exception)
        {
            Expect(exception is T, "expected " + typeof(T).Name + ", found " + exception);
            Expect(exception.Message.Length > 0, "a failure without a message");
            return (T)exception;
        }
        throw new Exception("expected " + typeof(T).Name + ", but it worked");
    }

    /// <summary>Bytes of the process in memory.</summary>
    internal static long MemoryBytes()
    {
        foreach (string line in File.ReadAllLines("/proc/self/status"))
        {
            if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
            {
                return long.Parse(line.Split(':')[1].Replace("kB", "").Trim(), CultureInfo.InvariantCulture) * 1024;
            }
        }
        throw new Exception("there is no VmRSS");
    }

    /// <summary>Runs what is not held any more.</summary>
    internal static void Collect()
    {
        for (int i = 0; i < 3; ++i)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    private static string MakeFolder()
    {
        string folder = Path.Combine(Path.GetTempPath(), "leoam_csharp_" + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(folder);
        return folder;
    }
}
