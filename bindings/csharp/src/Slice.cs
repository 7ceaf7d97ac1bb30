using System;
using System.Runtime.InteropServices;

namespace LeoAM.Interop
{
    /// <summary>An array by pointer and count, as the native half takes and returns it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct Slice
    {
        private readonly IntPtr data;
        private readonly ulong size;

        /// <summary>Of an array that is pinned at <paramref name="elements"/>, or null.</summary>
        internal Slice(void* elements, Array array)
        {
            data = (IntPtr)elements;
            size = array == null ? 0 : (ulong)array.Length;
        }

        /// <summary>A copy of bytes.</summary>
        internal byte[] ToBytes()
        {
            var bytes = new byte[checked((int)size)];
            if (bytes.Length > 0)
            {
                Marshal.Copy(data, bytes, 0, bytes.Length);
            }
            return bytes;
        }
    }
}
