using System;
using System.Collections.Generic;
using System.Threading;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// The native instance, which ends when its object and all objects made from it have ended. The log function is
    /// the reason why that is counted here and not left to the library: it may be called until then.
    /// </summary>
    /// <remarks>
    /// A runtime that ends waits for threads that have called it, or lets them call into what is no more. Instances
    /// that are still there when the process or the domain ends are therefore ended before.
    /// </remarks>
    internal sealed class InstanceState
    {
        private static readonly List<InstanceState> Live = new List<InstanceState>();
        private static bool exitIsWatched;

        private readonly IntPtr value;
        private readonly Callbacks log;
        // What is released before the instance: its objects, and how.
        private readonly Dictionary<IntPtr, Action<IntPtr>> objects = new Dictionary<IntPtr, Action<IntPtr>>();
        // Those that hold a request until its last event, which a detached one does not have.
        private readonly Dictionary<Callbacks, bool> running = new Dictionary<Callbacks, bool>();
        private int users;

        private InstanceState(IntPtr value, Callbacks log)
        {
            this.value = value;
            this.log = log;
        }

        internal static InstanceState Start(InstanceOptions options)
        {
            Check.Given(options, nameof(options));
            Library.Load();
            byte[] cpuLevel = Utf8.Encode(options.CpuLevel, nameof(options.CpuLevel));
            byte[] stateFolder = Utf8.Path(options.StateFolder);
            using (var error = new CError())
            using (CInstanceOptions c = options.ToC())
            {
                Callbacks log = Callbacks.Of(new Callbacks.Functions { Log = options.Log });
                IntPtr value;
                ForeignThread.EnterLibrary();
                try
                {
                    value = Native.InstanceCreate(c, cpuLevel, stateFolder, log, error);
                }
                finally
                {
                    ForeignThread.LeaveLibrary();
                }
                if (value == IntPtr.Zero && log != null)
                {
                    log.End();
                }
                LeoamException.Check(error);
                var state = new InstanceState(value, log);
                lock (Live)
                {
                    Live.Add(state);
                    if (!exitIsWatched)
                    {
                        exitIsWatched = true;
                        AppDomain.CurrentDomain.ProcessExit += EndAll;
                        // Of a host that loads plug-ins anew: it ends the functions that the library would call.
                        AppDomain.CurrentDomain.DomainUnload += EndAll;
                    }
                }
                return state;
            }
        }

        /// <summary>The handle of the instance itself.</summary>
        internal NativeHandle Handle()
        {
            return Adopt(value, unused => { });
        }

        /// <summary>The handle of an object of this instance; called while another one is held.</summary>
        internal NativeHandle Adopt(IntPtr made, Action<IntPtr> release)
        {
            Interlocked.Increment(ref users);
            lock (objects)
            {
                objects.Add(made, release);
            }
            return new NativeHandle(made, handle =>
            {
                lock (objects)
                {
                    objects.Remove(handle);
                }
                release(handle);
                Release();
            });
        }

        internal void Running(Callbacks listener, bool runs)
        {
            lock (running)
            {
                if (runs)
                {
                    running.Add(listener, true);
                }
                else
                {
                    running.Remove(listener);
                }
            }
        }

        /// <summary>No callback of a request is running, and none will start.</summary>
        internal void AllDetached()
        {
            Callbacks[] all;
            lock (running)
            {
                all = new Callbacks[running.Count];
                running.Keys.CopyTo(all, 0);
            }
            foreach (Callbacks listener in all)
            {
                listener.LetGo();
            }
        }

        internal CancelFlag CreateCancelFlag()
        {
            using (var error = new CError())
            {
                IntPtr flag = Native.CancelFlagCreate(value, error);
                LeoamException.Check(error);
                return new CancelFlag(this, Adopt(flag, Native.CancelFlagRelease));
            }
        }

        private static void EndAll(object sender, EventArgs arguments)
        {
            InstanceState[] live;
            lock (Live)
            {
                live = Live.ToArray();
            }
            foreach (InstanceState state in live)
            {
                state.End();
            }
        }

        /// <summary>
        /// Releases everything, whoever has it: calls that are running finish, later ones are refused by the library.
        /// </summary>
        private void End()
        {
            Detach();
            KeyValuePair<IntPtr, Action<IntPtr>>[] all;
            lock (objects)
            {
                all = new List<KeyValuePair<IntPtr, Action<IntPtr>>>(objects).ToArray();
            }
            foreach (KeyValuePair<IntPtr, Action<IntPtr>> one in all)
            {
                one.Value(one.Key);
            }
            Native.InstanceRelease(value);
        }

        private void Detach()
        {
            using (var error = new CError())
            {
                Native.InstanceDetach(value, error);
            }
        }

        private void Release()
        {
            if (Interlocked.Decrement(ref users) > 0)
            {
                return;
            }
            lock (Live)
            {
                Live.Remove(this);
            }
            if (log != null)
            {
                // Behind it no message is on its way.
                Detach();
            }
            Native.InstanceRelease(value);
            if (log != null)
            {
                log.End();
            }
        }
    }
}
