using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// The native library of the process, loaded by the first <see cref="Instance"/>. It is looked for
    /// <list type="number">
    /// <item>where <see cref="Path"/> says, else LEOAM_LIBRARY of the environment, and then nowhere else;</item>
    /// <item>beside this assembly and the program, and there in runtimes/RID/native, as packages have it;</item>
    /// <item>where the system looks: LD_LIBRARY_PATH, the folders of ldconfig, and those of .NET.</item>
    /// </list>
    /// </summary>
    public static class Library
    {
        private static readonly object Loading = new object();
        private static bool loaded;
        private static string path;

        /// <summary>
        /// A folder, or the file libleoam_csharp.so or libleoam.so in it; null: none. Set it before the first
        /// <see cref="Instance"/>.
        /// </summary>
        /// <exception cref="LeoamBusyException">The library is loaded.</exception>
        public static string Path
        {
            get
            {
                lock (Loading)
                {
                    return path;
                }
            }
            set
            {
                lock (Loading)
                {
                    if (loaded)
                    {
                        throw new LeoamBusyException("the library is loaded, and stays the one that it is");
                    }
                    path = value;
                }
            }
        }

        /// <summary>Which library was loaded, and from where. [any thread]</summary>
        public static BuildInfo BuildInfo
        {
            get
            {
                Load();
                using (var c = new CBuildInfo())
                using (var error = new CError())
                {
                    Native.LibraryGetBuildInfo(c, error);
                    LeoamException.Check(error);
                    return new BuildInfo(c);
                }
            }
        }

        /// <summary>Loads the library, if that has not happened. [any thread]</summary>
        /// <exception cref="LeoamLoadException">
        /// With every place that was tried and what the system said there; or with which version was found where.
        /// </exception>
        public static void Load()
        {
            lock (Loading)
            {
                if (!loaded)
                {
                    new Loader(path).Load();
                    loaded = true;
                }
            }
        }
    }
}
