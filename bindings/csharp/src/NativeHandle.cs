using System;
using System.Runtime.InteropServices;

namespace LeoAM
{
    /// <summary>
    /// A handle of the C interface. It goes back when it is disposed or collected and no call is inside the library
    /// with it, so that the texts of its object can be copied in peace.
    /// </summary>
    internal sealed class NativeHandle : SafeHandle
    {
        private readonly Action<IntPtr> release;

        internal NativeHandle(IntPtr value, Action<IntPtr> release) : base(IntPtr.Zero, true)
        {
            this.release = release;
            SetHandle(value);
        }

        public override bool IsInvalid
        {
            get { return handle == IntPtr.Zero; }
        }

        protected override bool ReleaseHandle()
        {
            ForeignThread.EnterLibrary();
            try
            {
                release(handle);
            }
            finally
            {
                ForeignThread.LeaveLibrary();
            }
            return true;
        }
    }
}
