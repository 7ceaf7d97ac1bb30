// Ends while everything is open and running: the process must end all the same, at once and without a fault.
// usage: leaving.exe MODEL [ROUNDS]; with ROUNDS, so often in a domain of its own, which is unloaded.
using System;
using System.Globalization;
using System.Threading;
using LeoAM;

internal static class Leaving
{
    private static int Main(string[] arguments)
    {
        if (arguments.Length > 1)
        {
            for (int i = 0; i < int.Parse(arguments[1], CultureInfo.InvariantCulture); ++i)
            {
                AppDomain domain = AppDomain.CreateDomain("plug-in");
                domain.ExecuteAssembly(typeof(Leaving).Assembly.Location, new[] { arguments[0] });
                AppDomain.Unload(domain);
            }
            return 0;
        }
        var instance = new Instance(new InstanceOptions
        {
            NThreads = 2,
            LogLevel = LogLevel.Debug,
            Log = (level, message) => { },
        });
        Model model = instance.Load(arguments[0]);
        var drawn = new ManualResetEventSlim();
        Session told = model.CreateSession();
        told.Submit(new RequestOptions
        {
            Prompt = model.Tokenize("The lighthouse"),
            MaxTokens = 5000,
            IgnoreEnd = true,
            OnEvent = next =>
            {
                drawn.Set();
                return true;
            },
        });
        Session awaited = model.CreateSession();
        awaited.GenerateAsync(new RequestOptions
        {
            Prompt = model.Tokenize("The keeper"),
            MaxTokens = 5000,
            IgnoreEnd = true,
        });
        drawn.Wait();
        Thread.Sleep(100);
        Console.WriteLine("leaving");
        return 0;
    }
}
