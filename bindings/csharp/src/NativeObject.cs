using System;
using System.Threading;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// An object of the library. Disposing it twice does no harm, nor while another thread is inside a call of it: that
    /// call ends as usual, and later ones throw <see cref="ObjectDisposedException"/>. What is not disposed ends when
    /// it is collected. Parents may be disposed first: they live on until their children have ended.
    /// </summary>
    public abstract class NativeObject : IDisposable
    {
        private readonly NativeHandle handle;
        private int disposed;

        internal NativeObject(InstanceState state, NativeHandle handle)
        {
            State = state;
            this.handle = handle;
        }

        internal InstanceState State { get; }

        /// <summary>Whether <see cref="Dispose"/> was called. [any thread]</summary>
        public bool IsDisposed
        {
            get { return Volatile.Read(ref disposed) != 0; }
        }

        /// <summary>Gives the native memory back. [any thread]</summary>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref disposed, 1) == 0)
            {
                BeforeRelease();
                handle.Dispose();
            }
        }

        /// <summary>What lets calls on other threads end, so that the handle can go back.</summary>
        internal virtual void BeforeRelease() { }

        /// <summary>Holds the handle meanwhile, also behind <see cref="Dispose"/> as long as others hold it.</summary>
        internal T Hold<T>(Func<IntPtr, T> use)
        {
            bool held = false;
            ForeignThread.EnterLibrary();
            try
            {
                try
                {
                    handle.DangerousAddRef(ref held);
                }
                catch (ObjectDisposedException)
                {
                    throw new ObjectDisposedException(GetType().Name);
                }
                return use(handle.DangerousGetHandle());
            }
            finally
            {
                if (held)
                {
                    handle.DangerousRelease();
                }
                ForeignThread.LeaveLibrary();
            }
        }

        /// <summary>One native call. Texts of the library that it leads to are copied inside it.</summary>
        internal T Call<T>(Func<IntPtr, CError, T> call)
        {
            return Hold(value =>
            {
                using (var error = new CError())
                {
                    T result = call(value, error);
                    LeoamException.Check(error);
                    return result;
                }
            });
        }

        internal void Act(Action<IntPtr, CError> call)
        {
            Call((value, error) =>
            {
                call(value, error);
                return true;
            });
        }

        /// <summary>A call that fills a struct, from which the result is made.</summary>
        internal T Get<TStruct, T>(TStruct c, Action<IntPtr, TStruct, CError> call, Func<TStruct, T> make)
            where TStruct : IDisposable
        {
            using (c)
            {
                return Call((value, error) =>
                {
                    call(value, c, error);
                    LeoamException.Check(error);
                    return make(c);
                });
            }
        }

        /// <summary>A call that makes an object, whose handle is adopted while this one is held.</summary>
        internal NativeHandle Make(
            Callbacks.Functions functions, Func<IntPtr, Callbacks, CError, IntPtr> call, Action<IntPtr> release)
        {
            Callbacks listener = Callbacks.Of(functions);
            try
            {
                return Call((value, error) =>
                {
                    IntPtr made = call(value, listener, error);
                    if (made != IntPtr.Zero && listener != null && listener.HasThrown)
                    {
                        release(made);
                    }
                    if (listener != null)
                    {
                        listener.Rethrow();
                    }
                    LeoamException.Check(error);
                    return State.Adopt(made, release);
                });
            }
            finally
            {
                if (listener != null)
                {
                    listener.End();
                }
            }
        }

        /// <summary>A call with callbacks of its own. What they throw comes out of it.</summary>
        internal void Act(Callbacks.Functions functions, Action<IntPtr, Callbacks, CError> call)
        {
            Callbacks listener = Callbacks.Of(functions);
            try
            {
                Act((value, error) =>
                {
                    call(value, listener, error);
                    if (listener != null)
                    {
                        listener.Rethrow();
                    }
                });
            }
            finally
            {
                if (listener != null)
                {
                    listener.End();
                }
            }
        }
    }
}
