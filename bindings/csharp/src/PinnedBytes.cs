using System;
using System.Runtime.InteropServices;

namespace LeoAM
{
    /// <summary>
    /// Secret bytes, which the garbage collector must not copy about, and which are wiped at the end.
    /// </summary>
    internal sealed class PinnedBytes : IDisposable
    {
        private GCHandle pin;

        internal PinnedBytes(int count)
        {
            Bytes = new byte[count];
            pin = GCHandle.Alloc(Bytes, GCHandleType.Pinned);
        }

        ~PinnedBytes()
        {
            Dispose();
        }

        internal byte[] Bytes { get; }

        public void Dispose()
        {
            lock (Bytes)
            {
                Array.Clear(Bytes, 0, Bytes.Length);
                if (pin.IsAllocated)
                {
                    pin.Free();
                }
            }
            GC.SuppressFinalize(this);
        }
    }
}
