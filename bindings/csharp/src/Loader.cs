using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.CompilerServices;
using System.Text;
using LeoAM.Interop;
using IOPath = System.IO.Path;

namespace LeoAM
{
    /// <summary>Finds the native half of this assembly, and checks that it is the right one.</summary>
    internal sealed class Loader
    {
        private const string Wrapper = "libleoam_csharp.so";
        private const string Needed = "libleoam.so.0";
        private const string Variable = "LEOAM_LIBRARY";

        private readonly Runtime runtime = Runtime.OfThisProcess();
        private readonly string path;
        private readonly string asker;
        private readonly StringBuilder tried = new StringBuilder();

        internal Loader(string path)
        {
            string variable = Environment.GetEnvironmentVariable(Variable);
            this.path = path ?? (string.IsNullOrEmpty(variable) ? null : variable);
            asker = path != null ? "Library.Path" : Variable;
        }

        internal void Load()
        {
            Exception last = null;
            foreach (string candidate in Candidates())
            {
                try
                {
                    runtime.Use(candidate);
                    CheckWrapper(candidate);
                    CheckLibrary(candidate);
                    return;
                }
                catch (TypeInitializationException exception)
                    when (exception.GetBaseException() is DllNotFoundException)
                {
                    // Of Mono, whose dllmaps go before what it is told here.
                    throw new LeoamLoadException(
                        candidate + " is there, and a dllmap of " + Wrapper + " names another file: " +
                        exception.GetBaseException().Message, exception);
                }
                catch (DllNotFoundException exception)
                {
                    tried.Append("\n  ").Append(candidate).Append(": ").Append(exception.Message);
                    last = exception;
                }
            }
            throw new LeoamLoadException(
                "the native library of LeoAM " + Version(Compiled) + " cannot be loaded. Tried:" + tried +
                "\nPut " + Wrapper + " and " + Needed + " for " + Runtime.Rid +
                " beside LeoAM.dll, or set " + Variable + " or LeoAM.Library.Path to their folder.", last);
        }

        private IEnumerable<string> Candidates()
        {
            if (path == null)
            {
                foreach (string folder in Folders())
                {
                    yield return IOPath.Combine(folder, Wrapper);
                    yield return IOPath.Combine(folder, "runtimes", Runtime.Rid, "native", Wrapper);
                }
                yield return Wrapper;
                yield break;
            }
            string full = IOPath.GetFullPath(path);
            if (Directory.Exists(full))
            {
                yield return IOPath.Combine(full, Wrapper);
            }
            else if (IOPath.GetFileName(full) == Wrapper)
            {
                yield return full;
            }
            else
            {
                // The library itself: the wrapper then takes this one, whatever is beside it.
                try
                {
                    runtime.Open(full);
                }
                catch (DllNotFoundException exception)
                {
                    tried.Append("\n  ").Append(full).Append(" (").Append(asker).Append("): ")
                        .Append(exception.Message);
                    yield break;
                }
                yield return IOPath.Combine(IOPath.GetDirectoryName(full), Wrapper);
                foreach (string folder in Folders())
                {
                    yield return IOPath.Combine(folder, Wrapper);
                }
            }
        }

        private static IEnumerable<string> Folders()
        {
            // Empty for an assembly that was loaded from bytes or is part of a single file.
            string own = typeof(Loader).Assembly.Location;
            string beside = string.IsNullOrEmpty(own) ? null : IOPath.GetDirectoryName(own);
            if (!string.IsNullOrEmpty(beside))
            {
                yield return beside;
                string above = IOPath.GetDirectoryName(beside);
                if (above != null && IOPath.GetFileName(above) == "lib")
                {
                    // A package that lies unpacked: this is lib/netstandard2.0.
                    yield return IOPath.GetDirectoryName(above);
                }
            }
            string program = AppDomain.CurrentDomain.BaseDirectory.TrimEnd(IOPath.DirectorySeparatorChar);
            if (program != beside && program.Length > 0)
            {
                yield return program;
            }
        }

        private static uint Compiled
        {
            get
            {
                return (uint)(Native.LEOAM_VERSION_MAJOR << 16 | Native.LEOAM_VERSION_MINOR << 8 |
                    Native.LEOAM_VERSION_PATCH);
            }
        }

        // Native calls more when it is initialised, which a runtime may do for a whole method: none of it here.
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void CheckWrapper(string file)
        {
            uint wrapped;
            try
            {
                wrapped = NativePINVOKE.LibraryHeaderVersion();
            }
            catch (Exception exception) when (exception.GetBaseException() is EntryPointNotFoundException)
            {
                throw new LeoamLoadException(
                    file + " was not made for this assembly of version " + Version(Compiled) +
                    ": both are of one package", exception);
            }
            if (wrapped != Compiled)
            {
                throw new LeoamLoadException(
                    file + " was made for version " + Version(wrapped) + ", this assembly for " +
                    Version(Compiled) + ": both are of one package");
            }
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void CheckLibrary(string file)
        {
            using (var error = new CError())
            using (var info = new CBuildInfo())
            {
                Native.LibraryOpen(error);
                if (error.Code == Native.LEOAM_OK)
                {
                    return;
                }
                LeoamException failure = LeoamException.Of(error);
                Native.LibraryGetBuildInfo(info, error);
                var found = new BuildInfo(info);
                throw new LeoamLoadException(
                    failure.Message + ": " + file + " of version " + Version(Compiled) + " found libleoam " +
                    found.Version + " (function table " + found.ApiVersion + ", needed " +
                    Native.LEOAM_API_VERSION + ") at " + found.FilePath, failure);
            }
        }

        private static string Version(uint number)
        {
            return (number >> 16) + "." + (number >> 8 & 0xFF) + "." + (number & 0xFF);
        }
    }
}
