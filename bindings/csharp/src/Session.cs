using System;
using System.Threading;
using System.Threading.Tasks;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// One sequence of tokens with its KV cache. A session is busy while a request of it is running. Calls may come
    /// from one thread at a time, a second one gets <see cref="LeoamBusyException"/>; those marked so from any.
    /// </summary>
    public sealed partial class Session : NativeObject
    {
        internal Session(InstanceState state, NativeHandle handle, Model model) : base(state, handle)
        {
            Model = model;
        }

        /// <summary>The model that it was made from. [any thread]</summary>
        public Model Model { get; }

        /// <summary>What the session has; cheap enough for every frame. [any thread]</summary>
        /// <returns>As of now.</returns>
        public SessionInfo GetInfo()
        {
            return Get(new CSessionInfo(), Native.SessionGetInfo, c => new SessionInfo(c));
        }

        /// <summary>
        /// Appends tokens and computes their KV on the calling thread and the instance's, in pieces. Not in callbacks.
        /// </summary>
        /// <param name="tokens">Their ids.</param>
        /// <param name="options">Null: nothing is told meanwhile.</param>
        /// <exception cref="LeoamException">
        /// InvalidArgument (a token id, the context is full), NoSpace (the KV budget), Cancelled. After the last two
        /// the session keeps the whole pieces before: <see cref="GetInfo"/> says how many tokens.
        /// </exception>
        public void Evaluate(int[] tokens, EvaluateOptions options = null)
        {
            Check.Given(tokens, nameof(tokens));
            options = options ?? new EvaluateOptions();
            var functions = new Callbacks.Functions { Progress = options.OnProgress, Logits = options.OnLogits };
            using (CEvaluateOptions c = options.ToC())
            {
                Act(functions, (session, listener, error) =>
                    Native.SessionEvaluate(session, tokens, c, listener, error));
                GC.KeepAlive(options);
            }
        }

        /// <summary><see cref="Evaluate"/> on a thread of its own.</summary>
        /// <param name="tokens">Their ids; copied.</param>
        /// <param name="options">Or null. A flag in it is set when the token is cancelled.</param>
        /// <param name="progress">The share that is done, 0 to 1.</param>
        /// <param name="token">Cancels within 100 ms.</param>
        /// <returns>Ends with the evaluation.</returns>
        public Task EvaluateAsync(
            int[] tokens,
            EvaluateOptions options = null,
            IProgress<double> progress = null,
            CancellationToken token = default(CancellationToken))
        {
            var copy = (int[])Check.Given(tokens, nameof(tokens)).Clone();
            EvaluateOptions given = options ?? new EvaluateOptions();
            ProgressFunction both = Background.Both(given.OnProgress, progress);
            EvaluateOptions own = given.With(given.Cancel, both);
            return Background.Run(State, given.Cancel, token, flag =>
            {
                Evaluate(copy, own.With(flag, both));
                return true;
            });
        }

        /// <summary>Drops the tokens from <paramref name="nTokens"/> on. Not in callbacks.</summary>
        /// <param name="nTokens">That stay.</param>
        /// <exception cref="LeoamInvalidArgumentException">Beyond the end.</exception>
        /// <exception cref="LeoamUnsupportedException">
        /// For models with sliding layers when their window before is gone; 0 always works.
        /// </exception>
        public void Truncate(long nTokens)
        {
            ulong count = Check.Size(nTokens, nameof(nTokens));
            Act((session, error) => Native.SessionTruncate(session, count, error));
        }

        /// <summary>Tokens [begin, begin + count).</summary>
        /// <param name="begin">The first.</param>
        /// <param name="count">How many.</param>
        /// <returns>Their ids.</returns>
        public int[] GetTokens(long begin, int count)
        {
            ulong first = Check.Size(begin, nameof(begin));
            var tokens = new int[Check.Count(count, nameof(count))];
            Act((session, error) => Native.SessionCopyTokens(session, first, tokens, error));
            return tokens;
        }

        /// <summary>All tokens.</summary>
        /// <returns>Their ids.</returns>
        public int[] GetTokens()
        {
            return GetTokens(0, checked((int)GetInfo().NTokens));
        }

        /// <summary>Logits of the newest token.</summary>
        /// <returns>[NVocab].</returns>
        /// <exception cref="LeoamInvalidArgumentException">
        /// There are none: the session is empty, was truncated, or its newest token was drawn by a request and has no
        /// KV yet.
        /// </exception>
        public float[] GetLogits()
        {
            var logits = new float[GetInfo().NVocab];
            Act((session, error) => Native.SessionCopyLogits(session, logits, error));
            return logits;
        }

        /// <summary>
        /// Of the newest step: a lower bound of the share of a head's attention that lies in the tokens it attended to.
        /// </summary>
        /// <returns>[NLayers, NHeads].</returns>
        public float[,] GetCoverage()
        {
            ModelInfo info = Model.Info;
            var all = new float[info.NLayers * info.NHeads];
            Act((session, error) => Native.SessionCopyCoverage(session, all, error));
            var coverage = new float[info.NLayers, info.NHeads];
            Buffer.BlockCopy(all, 0, coverage, 0, all.Length * sizeof(float));
            return coverage;
        }

        /// <summary>What the heads attended to in the newest step.</summary>
        /// <returns>[NLayers, NHeads].</returns>
        public HeadAttention[,] GetAttention()
        {
            ModelInfo info = Model.Info;
            using (var heads = new CHeadAttentions((ulong)info.NLayers * (ulong)info.NHeads))
            {
                Act((session, error) => Native.SessionCopyAttention(session, heads, error));
                var attention = new HeadAttention[info.NLayers, info.NHeads];
                for (int i = 0; i < attention.Length; ++i)
                {
                    attention[i / info.NHeads, i % info.NHeads] = new HeadAttention(heads.At((ulong)i));
                }
                return attention;
            }
        }

        /// <summary>What each layer of the newest step took; zeros before the first.</summary>
        /// <returns>[NLayers].</returns>
        public LayerTimes[] GetLayerTimes()
        {
            var times = new LayerTimes[Model.Info.NLayers];
            using (var layers = new CLayers((ulong)times.Length))
            {
                Act((session, error) => Native.SessionCopyLayerTimes(session, layers, error));
                for (int i = 0; i < times.Length; ++i)
                {
                    times[i] = new LayerTimes(layers.At((ulong)i));
                }
                return times;
            }
        }

        /// <summary>
        /// Why old pages become what they do with <see cref="KvType.Auto"/>. [any thread]
        /// </summary>
        /// <returns>As it was decided last.</returns>
        public KvChoice GetKvChoice()
        {
            return Get(new CKvChoice(), Native.SessionGetKvChoice, c => new KvChoice(c));
        }

        /// <summary>
        /// The same tokens, KV and logits; KV is shared until one of the two changes it. The new session has no file.
        /// </summary>
        /// <returns>To be disposed.</returns>
        public Session Fork()
        {
            return new Session(
                State,
                Make(null, (session, listener, error) => Native.SessionFork(session, error), Native.SessionRelease),
                Model);
        }

        /// <summary>
        /// All KV of the session leaves memory, but for what forks hold in use; the next use brings back what it
        /// needs. Not in callbacks.
        /// </summary>
        /// <param name="options">Or null.</param>
        /// <exception cref="LeoamException">
        /// NoSpace, IO, Cancelled; then the session is as good as before.
        /// </exception>
        public void Suspend(SuspendOptions options = null)
        {
            options = options ?? new SuspendOptions();
            using (CSuspendOptions c = options.ToC())
            {
                Act(new Callbacks.Functions { Progress = options.OnProgress }, (session, listener, error) =>
                    Native.SessionSuspend(session, c, listener, error));
                GC.KeepAlive(options);
            }
        }

        /// <summary><see cref="Suspend"/> on a thread of its own.</summary>
        /// <param name="progress">The share that has left memory, 0 to 1.</param>
        /// <param name="token">Cancels.</param>
        /// <returns>Ends when the KV has left memory.</returns>
        public Task SuspendAsync(
            IProgress<double> progress = null, CancellationToken token = default(CancellationToken))
        {
            ProgressFunction both = Background.Both(null, progress);
            return Background.Run(State, null, token, flag =>
            {
                Suspend(new SuspendOptions { OnProgress = both, Cancel = flag });
                return true;
            });
        }

        /// <summary>
        /// Makes the session durable: it is on the disk when this returns. The first time into a new file, which the
        /// session then has; later into the same one, where only what is new is written. Not in callbacks.
        /// </summary>
        /// <param name="options">
        /// The first time a path, and a key or <see cref="SaveOptions.Plaintext"/>; later null.
        /// </param>
        /// <exception cref="LeoamException">
        /// InvalidArgument (no path, another path, neither key nor plaintext, or both), Busy (the session, or the file
        /// exists or is open), NotFound (the folder), NoSpace, Unsupported (a folder that others may write to), IO,
        /// Cancelled; then the last save stands.
        /// </exception>
        public void Save(SaveOptions options = null)
        {
            options = options ?? new SaveOptions();
            byte[] path = Utf8.Path(options.Path);
            byte[] key = SessionKey.BytesOf(options.Key);
            var functions = new Callbacks.Functions
            {
                Progress = options.OnProgress,
                Key = SessionKey.FunctionOf(options.Key),
            };
            using (CSaveOptions c = options.ToC())
            {
                Act(functions, (session, listener, error) =>
                    Native.SessionSave(session, c, path, key, listener, error));
                GC.KeepAlive(options);
            }
        }

        /// <summary><see cref="Save"/> on a thread of its own.</summary>
        /// <param name="options">As there. A flag in it is set when the token is cancelled.</param>
        /// <param name="progress">The share of KV that is in the file, 0 to 1.</param>
        /// <param name="token">Cancels; then the last save stands.</param>
        /// <returns>Ends when the session is on the disk.</returns>
        public Task SaveAsync(
            SaveOptions options = null,
            IProgress<double> progress = null,
            CancellationToken token = default(CancellationToken))
        {
            SaveOptions given = options ?? new SaveOptions();
            ProgressFunction both = Background.Both(given.OnProgress, progress);
            SaveOptions own = given.With(given.Cancel, both);
            return Background.Run(State, given.Cancel, token, flag =>
            {
                Save(own.With(flag, both));
                return true;
            });
        }

        /// <summary>The file that the session has, as of the last save. [any thread]</summary>
        /// <returns>Null when it has none.</returns>
        public SessionFileInfo GetFileInfo()
        {
            try
            {
                return Get(new CFileInfo(), Native.SessionGetFileInfo, c => new SessionFileInfo(c));
            }
            catch (LeoamNotFoundException)
            {
                return null;
            }
        }
    }
}
