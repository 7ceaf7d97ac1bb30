using System;
using System.Threading;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// The native instance, which ends when its object and all objects made from it have ended. The log function is
    /// the reason why that is counted here and not left to the library: it may be called until then.
    /// </summary>
    internal sealed class InstanceState
    {
        private readonly IntPtr value;
        private readonly Callbacks log;
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
                IntPtr value = Native.InstanceCreate(c, cpuLevel, stateFolder, log, error);
                if (value == IntPtr.Zero && log != null)
                {
                    log.End();
                }
                LeoamException.Check(error);
                return new InstanceState(value, log);
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
            return new NativeHandle(made, handle =>
            {
                release(handle);
                Release();
            });
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

        private void Release()
        {
            if (Interlocked.Decrement(ref users) > 0)
            {
                return;
            }
            if (log != null)
            {
                // Behind it no message is on its way.
                using (var error = new CError())
                {
                    Native.InstanceDetach(value, error);
                }
            }
            Native.InstanceRelease(value);
            if (log != null)
            {
                log.End();
            }
        }
    }
}
