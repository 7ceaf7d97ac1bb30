// Loads the native library, and says which files it is made of or what went wrong.
// usage: loading.exe [PATH], of Library.Path
using System;
using System.IO;
using System.Linq;
using LeoAM;

internal static class Loading
{
    private static int Main(string[] arguments)
    {
        if (arguments.Length > 0)
        {
            Library.Path = arguments[0];
        }
        try
        {
            Library.Load();
            using (new Instance(new InstanceOptions { NThreads = 1 }))
            {
                string[] files = File.ReadAllLines("/proc/self/maps")
                    .Where(line => Path.GetFileName(line).StartsWith("libleoam", StringComparison.Ordinal))
                    .Select(line => line.Substring(line.IndexOf('/')))
                    .Distinct().ToArray();
                Console.WriteLine("loaded " + string.Join(" ", files));
                Console.WriteLine("found " + Library.BuildInfo.FilePath);
            }
            return 0;
        }
        catch (LeoamLoadException exception)
        {
            Console.WriteLine(exception.Message);
            // What cannot be loaded now may be there later.
            try
            {
                Library.Load();
            }
            catch (LeoamLoadException again)
            {
                Console.WriteLine(again.Code == 0 ? "again" : "");
            }
            return 3;
        }
    }
}
