namespace LeoAM
{
    /// <summary>One message of a conversation.</summary>
    public sealed class ChatMessage
    {
        /// <summary>A message.</summary>
        /// <param name="role">"system", "user", "assistant", "tool".</param>
        /// <param name="content">What it says.</param>
        public ChatMessage(string role, string content)
        {
            Role = Check.Given(role, nameof(role));
            Content = Check.Given(content, nameof(content));
        }

        /// <summary>"system", "user", "assistant", "tool".</summary>
        public string Role { get; }

        /// <summary>What it says.</summary>
        public string Content { get; }

        /// <summary>An instruction for the whole conversation.</summary>
        /// <param name="content">What it says.</param>
        /// <returns>The message.</returns>
        public static ChatMessage System(string content)
        {
            return new ChatMessage("system", content);
        }

        /// <summary>What the user says.</summary>
        /// <param name="content">What it says.</param>
        /// <returns>The message.</returns>
        public static ChatMessage User(string content)
        {
            return new ChatMessage("user", content);
        }

        /// <summary>What the model has said.</summary>
        /// <param name="content">What it says.</param>
        /// <returns>The message.</returns>
        public static ChatMessage Assistant(string content)
        {
            return new ChatMessage("assistant", content);
        }
    }
}
