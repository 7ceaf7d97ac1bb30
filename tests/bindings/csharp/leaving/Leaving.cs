// Ends while everything is open and running: the process must end all the same, at once and without a fault.
using System;
using System.Threading;
using LeoAM;

internal static class Leaving
{
    private static int Main(string[] arguments)
    {
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
