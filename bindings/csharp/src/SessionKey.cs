using System;

namespace LeoAM
{
    /// <summary>
    /// The key of a session file: bytes, or a function that is asked when they are needed. The library and this class
    /// wipe their copies: bytes are wiped when the key is disposed.
    /// </summary>
    public sealed class SessionKey : IDisposable
    {
        /// <summary>Length of a key in bytes.</summary>
        public const int NBytes = 32;

        private readonly PinnedBytes bytes;
        private volatile bool disposed;

        /// <summary>Copies bytes [<see cref="NBytes"/>]; whoever has them wipes them.</summary>
        /// <param name="key">The bytes.</param>
        public SessionKey(byte[] key)
        {
            Check.Given(key, nameof(key));
            bytes = new PinnedBytes(key.Length);
            Buffer.BlockCopy(key, 0, bytes.Bytes, 0, key.Length);
        }

        /// <summary>Asks at most once a call.</summary>
        /// <param name="function">Is asked.</param>
        public SessionKey(KeyFunction function)
        {
            Function = Check.Given(function, nameof(function));
        }

        internal KeyFunction Function { get; }

        /// <summary>Null for no key, and for one that is asked for.</summary>
        internal static byte[] BytesOf(SessionKey key)
        {
            if (key == null || key.bytes == null)
            {
                return null;
            }
            if (key.disposed)
            {
                throw new ObjectDisposedException(nameof(SessionKey));
            }
            return key.bytes.Bytes;
        }

        internal static KeyFunction FunctionOf(SessionKey key)
        {
            return key == null ? null : key.Function;
        }

        /// <summary>Wipes the bytes; not while a call uses the key.</summary>
        public void Dispose()
        {
            disposed = true;
            if (bytes != null)
            {
                bytes.Dispose();
            }
        }
    }
}
