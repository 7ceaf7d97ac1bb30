using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// Threads, device, budgets: the root of everything. Any number may live side by side. All calls may come from any
    /// thread at any time.
    /// </summary>
    public sealed class Instance : NativeObject
    {
        /// <summary>As a limit in bytes: none.</summary>
        public const long Unlimited = long.MaxValue;

        /// <summary>An instance with the defaults.</summary>
        public Instance() : this(new InstanceOptions()) { }

        /// <summary>Starts an instance, and loads the native library when it is the first.</summary>
        /// <param name="options">What it is made of.</param>
        /// <exception cref="LeoamLoadException">There is no library that fits.</exception>
        /// <exception cref="LeoamUnsupportedException">The machine lacks the CPU level.</exception>
        public Instance(InstanceOptions options) : this(InstanceState.Start(options)) { }

        private Instance(InstanceState state) : base(state, state.Handle()) { }

        /// <summary>A flag for calls of this instance; one may serve many calls.</summary>
        /// <returns>To be disposed.</returns>
        public CancelFlag CreateCancelFlag()
        {
            return Hold(value => State.CreateCancelFlag());
        }

        /// <summary>
        /// Loads a GGUF file, on the calling thread and the instance's. Not in callbacks of this instance.
        /// </summary>
        /// <param name="path">Of the file.</param>
        /// <param name="options">Null: the file as it is.</param>
        /// <returns>To be disposed.</returns>
        /// <exception cref="LeoamException">
        /// NotFound, IO, Corrupt, Unsupported, OutOfMemory; Cancelled by the flag or by the function.
        /// </exception>
        public Model Load(string path, LoadOptions options = null)
        {
            options = options ?? new LoadOptions();
            byte[] bytes = Utf8.Path(path);
            using (CLoadOptions c = options.ToC())
            {
                NativeHandle model = Make(
                    new Callbacks.Functions { Progress = options.OnProgress },
                    (instance, listener, error) => Native.ModelLoad(instance, bytes, c, listener, error),
                    Native.ModelRelease);
                GC.KeepAlive(options);
                return new Model(State, model);
            }
        }

        /// <summary><see cref="Load"/> on a thread of its own.</summary>
        /// <param name="path">Of the file.</param>
        /// <param name="options">Null: the file as it is. A flag in it is set when the token is cancelled.</param>
        /// <param name="progress">The share that is loaded, 0 to 1.</param>
        /// <param name="token">Cancels within 100 ms.</param>
        /// <returns>The model, to be disposed.</returns>
        public Task<Model> LoadAsync(
            string path,
            LoadOptions options = null,
            IProgress<double> progress = null,
            CancellationToken token = default(CancellationToken))
        {
            LoadOptions given = options ?? new LoadOptions();
            ProgressFunction both = Background.Both(given.OnProgress, progress);
            LoadOptions copy = given.With(given.Cancel, both);
            return Background.Run(State, given.Cancel, token, flag => Load(path, copy.With(flag, both)));
        }

        /// <summary>
        /// What a model and a context will need, from the header of the file: nothing is loaded. Fails as
        /// <see cref="Load"/>.
        /// </summary>
        /// <param name="path">Of the file.</param>
        /// <param name="options">Null: the model's own context.</param>
        /// <param name="load">Its overrides count; null: none.</param>
        /// <returns>Bytes, tokens and, when it is asked for, speeds.</returns>
        public Plan Plan(string path, PlanOptions options = null, LoadOptions load = null)
        {
            options = options ?? new PlanOptions();
            byte[] bytes = Utf8.Path(path);
            using (CLoadOptions cLoad = (load ?? new LoadOptions()).ToC())
            using (CPlanOptions c = options.ToC())
            {
                Plan plan = Get(
                    new CPlan(),
                    (instance, made, error) => Native.ModelPlan(instance, bytes, cLoad, c, made, error),
                    made => new Plan(made));
                GC.KeepAlive(options);
                return plan;
            }
        }

        /// <summary>
        /// <see cref="Plan"/> on a thread of its own: with <see cref="PlanOptions.Speed"/> it takes some seconds.
        /// </summary>
        /// <param name="path">Of the file.</param>
        /// <param name="options">Null: the model's own context.</param>
        /// <param name="load">Its overrides count; null: none.</param>
        /// <param name="token">Cancels the measuring.</param>
        /// <returns>Bytes, tokens and, when it is asked for, speeds.</returns>
        public Task<Plan> PlanAsync(
            string path,
            PlanOptions options = null,
            LoadOptions load = null,
            CancellationToken token = default(CancellationToken))
        {
            PlanOptions given = options ?? new PlanOptions();
            PlanOptions own = given.With(given.Cancel);
            LoadOptions overrides = (load ?? new LoadOptions()).With(null, null);
            return Background.Run(State, given.Cancel, token, flag => Plan(path, own.With(flag), overrides));
        }

        /// <summary>
        /// Changes the budget of bytes in memory that KV causes, while requests go on, and returns when it holds: what
        /// is too much has moved to files, which changes no answer.
        /// </summary>
        /// <param name="bytes">The new budget.</param>
        /// <param name="onProgress">Bytes given back and to be given back; or null.</param>
        /// <param name="cancel">Or null.</param>
        /// <exception cref="LeoamException">
        /// NoSpace (needed: what has to stay), IO, Cancelled; then the old budget holds again.
        /// </exception>
        public void ChangeHostKvBudget(long bytes, ProgressFunction onProgress = null, CancelFlag cancel = null)
        {
            ulong budget = Check.Size(bytes, nameof(bytes));
            IntPtr flag = CancelFlag.ValueOf(cancel);
            Act(new Callbacks.Functions { Progress = onProgress }, (instance, listener, error) =>
                Native.InstanceChangeHostKvBudget(instance, budget, flag, listener, error));
            GC.KeepAlive(cancel);
        }

        /// <summary><see cref="ChangeHostKvBudget"/> on a thread of its own.</summary>
        /// <param name="bytes">The new budget.</param>
        /// <param name="progress">The share that was given back, 0 to 1.</param>
        /// <param name="token">Cancels; then the old budget holds again.</param>
        /// <returns>Ends when the budget holds.</returns>
        public Task ChangeHostKvBudgetAsync(
            long bytes, IProgress<double> progress = null, CancellationToken token = default(CancellationToken))
        {
            ProgressFunction both = Background.Both(null, progress);
            return Background.Run(State, null, token, flag =>
            {
                ChangeHostKvBudget(bytes, both, flag);
                return true;
            });
        }

        /// <summary>
        /// The same of the memory of a device that has its own: what is too much moves to memory.
        /// </summary>
        /// <param name="bytes">The new budget.</param>
        /// <param name="onProgress">Bytes given back and to be given back; or null.</param>
        /// <param name="cancel">Or null.</param>
        /// <exception cref="LeoamUnsupportedException">The device computes in memory.</exception>
        public void ChangeDeviceKvBudget(long bytes, ProgressFunction onProgress = null, CancelFlag cancel = null)
        {
            ulong budget = Check.Size(bytes, nameof(bytes));
            IntPtr flag = CancelFlag.ValueOf(cancel);
            Act(new Callbacks.Functions { Progress = onProgress }, (instance, listener, error) =>
                Native.InstanceChangeDeviceKvBudget(instance, budget, flag, listener, error));
            GC.KeepAlive(cancel);
        }

        /// <summary><see cref="ChangeDeviceKvBudget"/> on a thread of its own.</summary>
        /// <param name="bytes">The new budget.</param>
        /// <param name="progress">The share that was given back, 0 to 1.</param>
        /// <param name="token">Cancels; then the old budget holds again.</param>
        /// <returns>Ends when the budget holds.</returns>
        public Task ChangeDeviceKvBudgetAsync(
            long bytes, IProgress<double> progress = null, CancellationToken token = default(CancellationToken))
        {
            ProgressFunction both = Background.Both(null, progress);
            return Background.Run(State, null, token, flag =>
            {
                ChangeDeviceKvBudget(bytes, both, flag);
                return true;
            });
        }

        /// <summary>
        /// Sets the most bytes of scratch and open session files. A budget below what is used stops growth and drops
        /// nothing.
        /// </summary>
        /// <param name="bytes">The new budget.</param>
        public void SetDiskKvBudget(long bytes)
        {
            ulong budget = Check.Size(bytes, nameof(bytes));
            Act((instance, error) => Native.InstanceSetDiskKvBudget(instance, budget, error));
        }

        /// <summary>
        /// Sets the most bytes that the instance writes in its life, those before included. What would pass it fails
        /// with <see cref="LeoamNoSpaceException"/> and writes nothing.
        /// </summary>
        /// <param name="bytes">The new cap; <see cref="Unlimited"/>: none.</param>
        public void SetDiskWriteCap(long bytes)
        {
            ulong cap = Check.Limit(bytes, nameof(bytes));
            Act((instance, error) => Native.InstanceSetDiskWriteCap(instance, cap, error));
        }

        /// <summary>What the instance has and has done; cheap enough for every frame.</summary>
        /// <returns>As of now.</returns>
        public InstanceStatistics GetStatistics()
        {
            return Get(new CInstanceStatistics(), Native.InstanceGetStatistics, c => new InstanceStatistics(c));
        }

        /// <summary>
        /// Facts for a diagnosis, by dotted key ("cpu.chosen") and in words: version, build, the chosen kernels and
        /// why, device, memory, budgets, how files are read, as they were at the first call, which may take some
        /// milliseconds.
        /// </summary>
        /// <returns>Key and value.</returns>
        public IReadOnlyDictionary<string, string> Describe()
        {
            return Lists.Facts(this, Native.InstanceDescribe);
        }

        /// <summary>
        /// Cancels all requests and drops the log function: when this returns, no callback of a request or of the log
        /// is running and none will start. From inside a callback it does not wait for that one, which is the last.
        /// </summary>
        public void Detach()
        {
            Act(Native.InstanceDetach);
            State.AllDetached();
        }
    }
}
