using System;
using System.Reflection;
using System.Runtime.InteropServices;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>How the runtime of this process is told which file is the native half.</summary>
    internal abstract class Runtime
    {
        // Of all DllImports of this assembly.
        protected const string Name = "leoam_csharp";

        /// <summary>As packages name the machine.</summary>
        internal static string Rid
        {
            get { return "linux-" + RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant(); }
        }

        internal static Runtime OfThisProcess()
        {
            Type library = typeof(object).Assembly.GetType("System.Runtime.InteropServices.NativeLibrary") ??
                Type.GetType("System.Runtime.InteropServices.NativeLibrary, System.Runtime.InteropServices");
            return library != null ? (Runtime)new Net(library) : new Mono();
        }

        /// <summary>Loads a file, or by its name alone what the system finds.</summary>
        /// <exception cref="DllNotFoundException">With the words of the system.</exception>
        internal abstract void Open(string file);

        /// <summary>The same, and makes it the native half.</summary>
        internal abstract void Use(string file);

        /// <summary>.NET, whose resolver is not in netstandard 2.0.</summary>
        private sealed class Net : Runtime
        {
            private readonly Type library;
            private static IntPtr chosen;

            internal Net(Type library)
            {
                this.library = library;
            }

            internal override void Open(string file)
            {
                Load(file);
            }

            internal override void Use(string file)
            {
                IntPtr handle = Load(file);
                bool first = chosen == IntPtr.Zero;
                chosen = handle;
                if (first)
                {
                    MethodInfo set = library.GetMethod("SetDllImportResolver");
                    Type resolver = set.GetParameters()[1].ParameterType;
                    MethodInfo own = typeof(Net).GetMethod(
                        nameof(Resolve), BindingFlags.NonPublic | BindingFlags.Static);
                    set.Invoke(
                        null, new object[] { typeof(Net).Assembly, Delegate.CreateDelegate(resolver, own) });
                }
            }

            private IntPtr Load(string file)
            {
                MethodInfo load = library.GetMethod(
                    "Load", new[] { typeof(string), typeof(Assembly), typeof(DllImportSearchPath?) });
                try
                {
                    return (IntPtr)load.Invoke(null, new object[] { file, typeof(Net).Assembly, null });
                }
                catch (TargetInvocationException exception)
                {
                    throw new DllNotFoundException(exception.InnerException.Message, exception.InnerException);
                }
            }

            private static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? search)
            {
                return name == Name ? chosen : IntPtr.Zero;
            }
        }

        /// <summary>
        /// Mono, by its own table of names. A dllmap of that name in a configuration file of the assembly or the
        /// program goes before it.
        /// </summary>
        private sealed class Mono : Runtime
        {
            private const int Now = 2;

            internal override void Open(string file)
            {
                if (dlopen(file, Now) == IntPtr.Zero)
                {
                    throw new DllNotFoundException(Marshal.PtrToStringAnsi(dlerror()));
                }
            }

            internal override void Use(string file)
            {
                Open(file);
                try
                {
                    mono_dllmap_insert(IntPtr.Zero, Name, null, file, null);
                }
                catch (EntryPointNotFoundException)
                {
                    // A Mono that is embedded without this finds the file by its name: it is loaded.
                }
            }

            [DllImport("libdl.so.2")]
            private static extern IntPtr dlopen(string file, int flags);

            [DllImport("libdl.so.2")]
            private static extern IntPtr dlerror();

            [DllImport("__Internal")]
            private static extern void mono_dllmap_insert(
                IntPtr assembly, string dll, string function, string targetDll, string targetFunction);
        }
    }
}
