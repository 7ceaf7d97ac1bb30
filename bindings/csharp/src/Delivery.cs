namespace LeoAM
{
    /// <summary>How the events of a request come.</summary>
    public enum Delivery
    {
        /// <summary>Generation goes on in the background, and waits while 256 events are untaken.</summary>
        Poll = 0,

        /// <summary>On a thread of the library, in order, one at a time.</summary>
        Callback = 1,

        /// <summary>Nothing runs except inside <see cref="Request.Step"/>.</summary>
        Step = 2,
    }
}
