using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// A saved session without its model, that no session has open. Has nothing to dispose. Calls may come from any
    /// thread, not in callbacks of the instance; they fail with NotFound, Busy (open elsewhere), Version (a newer
    /// format), InvalidArgument (a wrong key, or none), Unsupported (not a private file), Corrupt, IO, Cancelled; see
    /// <see cref="LeoamException"/>.
    /// </summary>
    public sealed class SessionFile
    {
        private readonly Instance instance;
        private readonly byte[] bytes;
        private readonly SessionFileOptions options;

        /// <summary>Names a file, which is looked at when something is asked of it.</summary>
        /// <param name="instance">Does the work.</param>
        /// <param name="path">Of the file.</param>
        /// <param name="options">Its key; null: a plaintext file.</param>
        public SessionFile(Instance instance, string path, SessionFileOptions options = null)
        {
            this.instance = Check.Given(instance, nameof(instance));
            this.bytes = Utf8.Path(path);
            this.options = options ?? new SessionFileOptions();
            Path = path;
        }

        /// <summary>Where it is.</summary>
        public string Path { get; }

        /// <summary>What it says of itself.</summary>
        /// <returns>As of its last save.</returns>
        public SessionFileInfo GetInfo()
        {
            byte[] key = SessionKey.BytesOf(options.Key);
            using (var c = new CFileInfo())
            {
                instance.Act(AskForKey(), (handle, listener, error) =>
                    Native.SessionFileGetInfo(handle, bytes, key, listener, c, error));
                return new SessionFileInfo(c);
            }
        }

        /// <summary>The token log.</summary>
        /// <returns>Ids.</returns>
        public int[] GetTokens()
        {
            byte[] key = SessionKey.BytesOf(options.Key);
            var tokens = new int[GetInfo().NTokens];
            ulong count = 0;
            instance.Act(AskForKey(), (handle, listener, error) =>
                count = Native.SessionFileCopyTokens(handle, bytes, key, listener, tokens, error));
            Array.Resize(ref tokens, checked((int)count));
            return tokens;
        }

        /// <summary>
        /// Reads and checks everything, and changes nothing. Damage that can be repaired is a verdict, not a failure.
        /// </summary>
        /// <returns>What was found.</returns>
        public Verdict Verify()
        {
            return CheckWith(options);
        }

        /// <summary><see cref="Verify"/> on a thread of its own.</summary>
        /// <param name="progress">The share of pages that is checked, 0 to 1.</param>
        /// <param name="token">Cancels.</param>
        /// <returns>What was found.</returns>
        public Task<Verdict> VerifyAsync(
            IProgress<double> progress = null, CancellationToken token = default(CancellationToken))
        {
            ProgressFunction both = Background.Both(options.OnProgress, progress);
            return Background.Run(instance.State, options.Cancel, token, flag => CheckWith(options.With(flag, both)));
        }

        /// <summary>
        /// Replaces the file by one with the same contents and no free room. A crash leaves the one or the other.
        /// </summary>
        public void Compact()
        {
            byte[] key = SessionKey.BytesOf(options.Key);
            instance.Act(AskForKey(), (handle, listener, error) =>
                Native.SessionFileCompact(handle, bytes, key, listener, error));
        }

        /// <summary>Removes the file; needs no key.</summary>
        public void Remove()
        {
            instance.Act((handle, error) => Native.SessionFileRemove(handle, bytes, error));
        }

        private Callbacks.Functions AskForKey()
        {
            return new Callbacks.Functions { Key = SessionKey.FunctionOf(options.Key) };
        }

        private Verdict CheckWith(SessionFileOptions with)
        {
            byte[] key = SessionKey.BytesOf(with.Key);
            var findings = new List<string>();
            Callbacks.Functions functions = AskForKey();
            functions.Progress = with.OnProgress;
            functions.Findings = findings;
            using (CFileOptions c = with.ToC())
            using (var verdict = new CVerdict())
            {
                instance.Act(functions, (handle, listener, error) =>
                    Native.SessionFileVerify(handle, bytes, c, key, listener, verdict, error));
                GC.KeepAlive(with);
                return new Verdict(verdict, findings);
            }
        }
    }
}
