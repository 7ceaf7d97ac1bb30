// What every language layer of LeoAM does alike, in C#, and what only this one has to do.
// usage: conformance.exe [CASE]. Environment: LEOAM_MODELS, LEOAM_SOURCE_DIR, LEOAM_LIBRARY, LEOAM_TEST_PATIENCE.
// Exit status 0, 1 (a case failed), 77 (no model: all cases skipped).
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Reflection;

/// <summary>A method that is one case; its name says what holds.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class CaseAttribute : Attribute
{
    internal CaseAttribute(string name)
    {
        Name = name;
    }

    internal string Name { get; }
}

internal static class Runner
{
    private static int Main(string[] arguments)
    {
        if (!File.Exists(Fixture.ModelPath))
        {
            Console.WriteLine(
                "SKIPPED: all cases: " + Fixture.ModelPath + " is not there; run scripts/models.sh");
            return 77;
        }
        int failed = 0;
        foreach (MethodInfo method in Cases())
        {
            string name = method.GetCustomAttribute<CaseAttribute>().Name;
            if (arguments.Length > 0 && !name.Contains(arguments[0]))
            {
                continue;
            }
            var clock = Stopwatch.StartNew();
            Exception failure = null;
            try
            {
                ((Action)method.CreateDelegate(typeof(Action)))();
            }
            catch (Exception exception)
            {
                failure = exception;
                ++failed;
            }
            Console.WriteLine("{0}  {1} ({2:0.0} s)", failure == null ? "ok    " : "FAILED", name,
                clock.Elapsed.TotalSeconds);
            if (failure != null)
            {
                Console.WriteLine("        " + failure);
            }
        }
        Fixture.End();
        Console.WriteLine(failed == 0 ? "all cases passed" : failed + " cases failed");
        return failed == 0 ? 0 : 1;
    }

    private static IEnumerable<MethodInfo> Cases()
    {
        // In the order of the sources: that of the metadata tokens.
        var cases = new List<MethodInfo>();
        foreach (Type type in typeof(Runner).Assembly.GetTypes())
        {
            foreach (MethodInfo method in type.GetMethods(BindingFlags.Static | BindingFlags.NonPublic))
            {
                if (method.GetCustomAttribute<CaseAttribute>() != null)
                {
                    cases.Add(method);
                }
            }
        }
        cases.Sort((a, b) => a.MetadataToken.CompareTo(b.MetadataToken));
        return cases;
    }
}
