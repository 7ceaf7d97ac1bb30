namespace LeoAM
{
    /// <summary>Why a request has finished.</summary>
    public enum FinishReason
    {
        /// <summary>It has not.</summary>
        None = 0,

        /// <summary>A token that ends generation, or a stop string.</summary>
        Stop = 1,

        /// <summary>The most tokens were generated, or the context is full.</summary>
        Length = 2,

        /// <summary>By cancelling, a callback, detaching or closing.</summary>
        Cancelled = 3,

        /// <summary>
        /// <see cref="Request.GetFinishReason"/> throws the failure; the session keeps the tokens before.
        /// </summary>
        Failed = 4,
    }
}
