namespace LeoAM
{
    /// <summary>What an event tells.</summary>
    public enum EventKind
    {
        /// <summary>So many tokens of the prompt are done.</summary>
        Prefill = 1,

        /// <summary>A token was drawn.</summary>
        Token = 2,

        /// <summary>The last event.</summary>
        Finished = 3,
    }
}
