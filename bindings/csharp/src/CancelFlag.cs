using System;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// A wish to stop that any thread may set; calls that watch it end with <see cref="LeoamCancelledException"/>
    /// within 100 ms. One flag may serve many calls.
    /// </summary>
    public sealed class CancelFlag : NativeObject
    {
        internal CancelFlag(InstanceState state, NativeHandle handle) : base(state, handle) { }

        /// <summary>Ends the calls that watch it, and later ones until it is cleared. [any thread]</summary>
        public void Set()
        {
            Act((flag, error) => Native.CancelFlagSet(flag));
        }

        /// <summary>Calls go on again. [any thread]</summary>
        public void Clear()
        {
            Act((flag, error) => Native.CancelFlagClear(flag));
        }

        /// <summary>
        /// NULL for null. The value of a flag that ends meanwhile is stale, not dangling: the library refuses it.
        /// </summary>
        internal static IntPtr ValueOf(CancelFlag flag)
        {
            return flag == null ? IntPtr.Zero : flag.Hold(value => value);
        }
    }
}
