using System;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>A call that failed. There is a subclass for each class of errors; the message is English.</summary>
    public class LeoamException : Exception
    {
        internal LeoamException(int code, string message, Exception cause = null) : base(message, cause)
        {
            Code = code;
        }

        /// <summary>The code of the C interface, LEOAM_ERROR_; 0 without a library that could have one.</summary>
        public int Code { get; }

        /// <summary>Bytes that would be needed, of <see cref="LeoamNoSpaceException"/>; else 0.</summary>
        public long NeededBytes { get; internal set; }

        /// <summary>Bytes that there are, of <see cref="LeoamNoSpaceException"/>; else 0.</summary>
        public long AvailableBytes { get; internal set; }

        /// <summary>Throws the failure that the library has written, if it is one.</summary>
        internal static void Check(CError error)
        {
            if (error.Code != Native.LEOAM_OK)
            {
                throw Of(error);
            }
        }

        internal static LeoamException Of(CError error)
        {
            LeoamException made = Of(error.Code, Utf8.Decode(error.Text()));
            made.NeededBytes = LeoAM.Check.Saturated(error.NeededBytes);
            made.AvailableBytes = LeoAM.Check.Saturated(error.AvailableBytes);
            return made;
        }

        private static LeoamException Of(int code, string message)
        {
            switch (code)
            {
                case 1: return new LeoamInvalidArgumentException(message);
                case 2: return new LeoamInvalidHandleException(message);
                case 3: return new LeoamNotFoundException(message);
                case 4: return new LeoamUnsupportedException(message);
                case 5: return new LeoamCorruptException(message);
                case 6: return new LeoamOutOfMemoryException(message);
                case 7: return new LeoamNoSpaceException(message);
                case 8: return new LeoamIOException(message);
                case 9: return new LeoamBusyException(message);
                case 10: return new LeoamCancelledException(message);
                case 11: return new LeoamDeviceLostException(message);
                case 12: return new LeoamVersionException(message);
                case 13: return new LeoamInternalException(message);
                default: return new LeoamException(code, message);
            }
        }
    }

    /// <summary>The native library cannot be loaded, or is not the one that belongs to this assembly.</summary>
    public sealed class LeoamLoadException : LeoamException
    {
        internal LeoamLoadException(string message, Exception cause = null) : base(0, message, cause) { }
    }

    /// <summary>A value of the caller; the message names it.</summary>
    public sealed class LeoamInvalidArgumentException : LeoamException
    {
        internal LeoamInvalidArgumentException(string message) : base(1, message) { }
    }

    /// <summary>An object that the library no longer has.</summary>
    public sealed class LeoamInvalidHandleException : LeoamException
    {
        internal LeoamInvalidHandleException(string message) : base(2, message) { }
    }

    /// <summary>A file, a name or an index does not exist.</summary>
    public sealed class LeoamNotFoundException : LeoamException
    {
        internal LeoamNotFoundException(string message) : base(3, message) { }
    }

    /// <summary>Well formed, and this library cannot do it.</summary>
    public sealed class LeoamUnsupportedException : LeoamException
    {
        internal LeoamUnsupportedException(string message) : base(4, message) { }
    }

    /// <summary>A file breaks its format; the message says where.</summary>
    public sealed class LeoamCorruptException : LeoamException
    {
        internal LeoamCorruptException(string message) : base(5, message) { }
    }

    /// <summary>The system refused memory.</summary>
    public sealed class LeoamOutOfMemoryException : LeoamException
    {
        internal LeoamOutOfMemoryException(string message) : base(6, message) { }
    }

    /// <summary>
    /// A budget, a cap or the disk is too small: see <see cref="LeoamException.NeededBytes"/> and
    /// <see cref="LeoamException.AvailableBytes"/>.
    /// </summary>
    public sealed class LeoamNoSpaceException : LeoamException
    {
        internal LeoamNoSpaceException(string message) : base(7, message) { }
    }

    /// <summary>The operating system failed a file operation.</summary>
    public sealed class LeoamIOException : LeoamException
    {
        internal LeoamIOException(string message) : base(8, message) { }
    }

    /// <summary>
    /// Another thread uses the object, a file is open elsewhere, or the call is not allowed inside a callback.
    /// </summary>
    public sealed class LeoamBusyException : LeoamException
    {
        internal LeoamBusyException(string message) : base(9, message) { }
    }

    /// <summary>
    /// The caller asked to stop, by a flag or a callback. Tasks that were asked by a CancellationToken are cancelled
    /// instead.
    /// </summary>
    public sealed class LeoamCancelledException : LeoamException
    {
        internal LeoamCancelledException(string message) : base(10, message) { }
    }

    /// <summary>The accelerator is gone; its instance is unusable.</summary>
    public sealed class LeoamDeviceLostException : LeoamException
    {
        internal LeoamDeviceLostException(string message) : base(11, message) { }
    }

    /// <summary>A file or a wish has a version that the library does not know.</summary>
    public sealed class LeoamVersionException : LeoamException
    {
        internal LeoamVersionException(string message) : base(12, message) { }
    }

    /// <summary>A fault of the library.</summary>
    public sealed class LeoamInternalException : LeoamException
    {
        internal LeoamInternalException(string message) : base(13, message) { }
    }
}
