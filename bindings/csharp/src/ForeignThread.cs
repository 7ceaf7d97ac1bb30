using System;
using System.Threading;

namespace LeoAM
{
    /// <summary>
    /// Threads of the library that have called this assembly. A Mono that ends would wait for them, as for every thread
    /// that is not in the background, and they end with their instance only.
    /// </summary>
    internal static class ForeignThread
    {
        // Calls into the library that this thread is inside of: a thread of the program has one when it is called back.
        [ThreadStatic]
        private static int calls;
        [ThreadStatic]
        private static bool known;

        internal static void EnterLibrary()
        {
            ++calls;
        }

        internal static void LeaveLibrary()
        {
            --calls;
        }

        /// <summary>A callback begins on this thread.</summary>
        internal static void Visit()
        {
            if (calls == 0 && !known)
            {
                known = true;
                Thread.CurrentThread.IsBackground = true;
            }
        }
    }
}
