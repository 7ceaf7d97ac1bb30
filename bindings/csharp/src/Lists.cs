using System;
using System.Collections.Generic;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>Lists of unknown length: a guess, and a second call when it was too short.</summary>
    internal static class Lists
    {
        // Of an array of .NET.
        private const long MaxLength = 0x7FFFFFC7;

        /// <param name="owner">The object of the call.</param>
        /// <param name="guess">Elements that are likely to be enough.</param>
        /// <param name="fill">Returns the count needed.</param>
        internal static T[] Collect<T>(NativeObject owner, long guess, Func<IntPtr, T[], CError, ulong> fill)
        {
            long capacity = Math.Min(guess, MaxLength);
            for (;;)
            {
                var room = new T[capacity];
                ulong needed = 0;
                try
                {
                    owner.Act((value, error) => needed = fill(value, room, error));
                }
                catch (LeoamNoSpaceException)
                {
                    // Of another kind: a limit of the library, or more than an array can have.
                    if (needed <= (ulong)capacity || needed > MaxLength)
                    {
                        throw;
                    }
                    capacity = (long)needed;
                    continue;
                }
                Array.Resize(ref room, checked((int)needed));
                return room;
            }
        }

        /// <summary>Pairs of texts that the library counts up to NOT_FOUND.</summary>
        internal static IReadOnlyDictionary<string, string> Facts(
            NativeObject owner, Action<IntPtr, ulong, CFact, CError> get)
        {
            var facts = new Dictionary<string, string>();
            try
            {
                for (ulong index = 0;; ++index)
                {
                    ulong at = index;
                    var fact = owner.Get(
                        new CFact(),
                        (value, c, error) => get(value, at, c, error),
                        c => new KeyValuePair<string, string>(Utf8.Decode(c.Key), Utf8.Decode(c.Value)));
                    facts[fact.Key] = fact.Value;
                }
            }
            catch (LeoamNotFoundException)
            {
                return facts;
            }
        }
    }
}
