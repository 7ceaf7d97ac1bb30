namespace LeoAM
{
    /// <summary>How much is logged: messages up to a level.</summary>
    public enum LogLevel
    {
        /// <summary>What failed.</summary>
        Error = 1,

        /// <summary>What works, and not as it should.</summary>
        Warning = 2,

        /// <summary>What happens.</summary>
        Info = 3,

        /// <summary>What happens inside.</summary>
        Debug = 4,
    }
}
