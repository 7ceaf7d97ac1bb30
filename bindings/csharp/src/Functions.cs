namespace LeoAM
{
    /// <summary>Is told how far a call is, on the thread of the call.</summary>
    /// <param name="done">In the unit that the call says.</param>
    /// <param name="total">In the same unit.</param>
    /// <returns>False stops the work, which then fails with <see cref="LeoamCancelledException"/>.</returns>
    public delegate bool ProgressFunction(long done, long total);

    /// <summary>
    /// Takes the events of a request, on a thread of the library, in order, one at a time. That thread does nothing
    /// else meanwhile: be short. Calls that compute, read files or wait fail with <see cref="LeoamBusyException"/>
    /// here.
    /// </summary>
    /// <param name="happened">The event.</param>
    /// <returns>False stops the generation.</returns>
    public delegate bool EventFunction(Event happened);

    /// <summary>Changes logits before a token is drawn, on the thread that computes.</summary>
    /// <param name="logits">[NVocab], may be changed in place; valid during the call.</param>
    /// <returns>False stops the generation.</returns>
    public delegate bool SamplerFunction(float[] logits);

    /// <summary>Is told logits while tokens are evaluated, on the thread of the call.</summary>
    /// <param name="position">In the session, ascending.</param>
    /// <param name="logits">[NVocab], valid during the call.</param>
    /// <returns>False stops the work.</returns>
    public delegate bool LogitsFunction(long position, float[] logits);

    /// <summary>Is asked for the key of a session file, at most once by a call, on its thread.</summary>
    /// <param name="key">[<see cref="SessionKey.NBytes"/>], to be filled; wiped afterwards.</param>
    /// <returns>
    /// False: there is no key, and the call fails with <see cref="LeoamCancelledException"/>.
    /// </returns>
    public delegate bool KeyFunction(byte[] key);

    /// <summary>
    /// Takes messages of the library, from any thread, one at a time. Must not call the library; what it throws is
    /// lost.
    /// </summary>
    /// <param name="level">How grave it is.</param>
    /// <param name="message">One message, English.</param>
    public delegate void LogFunction(LogLevel level, string message);
}
