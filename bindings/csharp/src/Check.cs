using System;

namespace LeoAM
{
    /// <summary>Numbers between the C interface, where they have no sign, and .NET, where they have one.</summary>
    internal static class Check
    {
        internal static uint Count(int value, string name)
        {
            if (value < 0)
            {
                throw new LeoamInvalidArgumentException(name + " is " + value + ", below 0");
            }
            return (uint)value;
        }

        internal static ulong Size(long value, string name)
        {
            if (value < 0)
            {
                throw new LeoamInvalidArgumentException(name + " is " + value + ", below 0");
            }
            return (ulong)value;
        }

        /// <summary><see cref="Instance.Unlimited"/> is the library's UINT64_MAX.</summary>
        internal static ulong Limit(long value, string name)
        {
            return value == Instance.Unlimited ? ulong.MaxValue : Size(value, name);
        }

        /// <summary>The other way: what a long cannot say is <see cref="Instance.Unlimited"/>.</summary>
        internal static long Saturated(ulong value)
        {
            return value > long.MaxValue ? Instance.Unlimited : (long)value;
        }

        internal static T Given<T>(T value, string name) where T : class
        {
            if (value == null)
            {
                throw new ArgumentNullException(name);
            }
            return value;
        }
    }
}
