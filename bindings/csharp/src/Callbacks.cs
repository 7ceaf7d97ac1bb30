using System;
using System.Collections.Generic;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Threading;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// The functions of the user that one call or one object leads to. Nothing that they throw gets into native code,
    /// whose frames it would skip without their destructors: it is remembered, the work is stopped, and
    /// <see cref="Rethrow"/> throws it on the thread that asks for the result.
    /// </summary>
    /// <remarks>
    /// The object, and with it the delegates that native code has, is pinned until <see cref="End"/> and the last
    /// callback that is still running then. Its native half ends by the same rule on its own.
    /// </remarks>
    internal sealed class Callbacks : Listener
    {
        // Callbacks that run on this thread, one inside the other.
        [ThreadStatic]
        private static int depth;

        private readonly GCHandle pin;
        private Functions functions;
        private ExceptionDispatchInfo thrown;
        private int ended;
        // The owner, and every callback that is running.
        private int users = 1;
        // Both under the lock.
        private readonly object holding = new object();
        private GCHandle running;
        private bool finished;
        // Used by one callback at a time.
        private float[] values;

        private Callbacks(Functions functions) : base((uint)functions.Wants)
        {
            this.functions = functions;
            // The native half deletes itself.
            swigCMemOwn = false;
            GC.SuppressFinalize(this);
            pin = GCHandle.Alloc(this);
        }

        /// <summary>What is not null is called.</summary>
        internal sealed class Functions
        {
            internal ProgressFunction Progress;
            internal EventFunction Event;
            internal SamplerFunction Sampler;
            internal LogitsFunction Logits;
            internal KeyFunction Key;
            internal List<string> Findings;
            internal LogFunction Log;

            internal Wants Wants
            {
                get
                {
                    return (Progress != null ? Wants.PROGRESS : 0) | (Event != null ? Wants.EVENTS : 0) |
                        (Sampler != null ? Wants.SAMPLING : 0) | (Logits != null ? Wants.LOGITS : 0) |
                        (Key != null ? Wants.KEY : 0) | (Findings != null ? Wants.FINDINGS : 0) |
                        (Log != null ? Wants.LOG : 0);
                }
            }
        }

        /// <summary>Null when there is nothing to call.</summary>
        internal static Callbacks Of(Functions functions)
        {
            return functions == null || functions.Wants == 0 ? null : new Callbacks(functions);
        }

        /// <summary>Whether this thread is inside a callback.</summary>
        internal static bool Inside
        {
            get { return depth > 0; }
        }

        /// <summary>Keeps a request from the collector until its last event.</summary>
        internal void Hold(Request request)
        {
            lock (holding)
            {
                if (!finished)
                {
                    running = GCHandle.Alloc(request);
                    request.State.Running(this, true);
                }
            }
        }

        /// <summary>No event comes any more.</summary>
        internal void LetGo()
        {
            lock (holding)
            {
                finished = true;
                if (running.IsAllocated)
                {
                    ((Request)running.Target).State.Running(this, false);
                    running.Free();
                }
            }
        }

        /// <summary>No call leads here any more, but for callbacks that may be running.</summary>
        internal void End()
        {
            if (Interlocked.Exchange(ref ended, 1) == 0)
            {
                LetGo();
                Retire();
                Leave();
            }
        }

        /// <summary>Whether a callback has thrown.</summary>
        internal bool HasThrown
        {
            get { return Volatile.Read(ref thrown) != null; }
        }

        /// <summary>Throws what a callback has thrown first, with its own stack.</summary>
        internal void Rethrow()
        {
            ExceptionDispatchInfo first = Volatile.Read(ref thrown);
            if (first != null)
            {
                first.Throw();
            }
        }

        public override int OnProgress(ulong done, ulong total)
        {
            return Run(all => all.Progress(Check.Saturated(done), Check.Saturated(total)));
        }

        public override int OnEvent(CEvent c)
        {
            return Run(all =>
            {
                var happened = new Event(c);
                if (happened.Kind == EventKind.Finished)
                {
                    // What the functions refer to may be collected, the request among it.
                    functions = new Functions();
                    LetGo();
                }
                bool goOn = false;
                try
                {
                    goOn = all.Event(happened);
                }
                finally
                {
                    // Whoever stops is told nothing more.
                    if (!goOn)
                    {
                        LetGo();
                    }
                }
                return goOn;
            });
        }

        public override int OnSampling(Logits logits)
        {
            return Run(all =>
            {
                if (all.Sampler == null)
                {
                    return true;
                }
                float[] room = Read(logits);
                bool goOn = all.Sampler(room);
                logits.Write(room);
                return goOn;
            });
        }

        public override int OnLogits(Logits logits)
        {
            return Run(all => all.Logits(Check.Saturated(logits.Position()), Read(logits)));
        }

        public override int OnKey(KeyRoom room)
        {
            return Run(all =>
            {
                using (var key = new PinnedBytes(checked((int)room.Size())))
                {
                    return all.Key(key.Bytes) && room.Write(key.Bytes);
                }
            });
        }

        public override int OnFinding(byte[] text)
        {
            return Run(all =>
            {
                all.Findings.Add(Utf8.Decode(text));
                return true;
            });
        }

        public override void OnLog(int level, byte[] text)
        {
            Run(all =>
            {
                all.Log((LogLevel)level, Utf8.Decode(text));
                return true;
            });
        }

        private int Run(Func<Functions, bool> function)
        {
            Interlocked.Increment(ref users);
            ForeignThread.Visit();
            ++depth;
            try
            {
                return function(functions) ? Native.LEOAM_CONTINUE : Native.LEOAM_STOP;
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref thrown, ExceptionDispatchInfo.Capture(exception), null);
                return Native.LEOAM_STOP;
            }
            finally
            {
                --depth;
                Leave();
            }
        }

        private void Leave()
        {
            if (Interlocked.Decrement(ref users) == 0)
            {
                pin.Free();
            }
        }

        private float[] Read(Logits logits)
        {
            int count = checked((int)logits.Count());
            if (values == null || values.Length != count)
            {
                values = new float[count];
            }
            logits.Read(values);
            return values;
        }
    }
}
