using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>Facts of the native library.</summary>
    public sealed class BuildInfo
    {
        internal BuildInfo(CBuildInfo c)
        {
            Version = Utf8.Decode(c.Version);
            Compiler = Utf8.Decode(c.Compiler);
            Build = Utf8.Decode(c.Build);
            FilePath = Utf8.Decode(c.FilePath);
            ApiVersion = checked((int)c.ApiVersion);
        }

        /// <summary>"0.1.0".</summary>
        public string Version { get; }

        /// <summary>"gcc 12.2.0".</summary>
        public string Compiler { get; }

        /// <summary>"release".</summary>
        public string Build { get; }

        /// <summary>Where it was loaded from; empty when unknown.</summary>
        public string FilePath { get; }

        /// <summary>Of its function table.</summary>
        public int ApiVersion { get; }
    }
}
