using System.Collections.Generic;

namespace LeoAM
{
    /// <summary>How a conversation becomes text.</summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class ChatOptions
    {
        /// <summary>Opens the assistant's turn at the end.</summary>
        public bool GenerationPrompt { get; set; } = true;

        /// <summary>
        /// Further variables of the template: name and JSON value, ("enable_thinking", "false"); or null.
        /// </summary>
        public IReadOnlyDictionary<string, string> Variables { get; set; }
    }
}
