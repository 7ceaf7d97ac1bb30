using System.Collections.Generic;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>A conversation as the shim takes it.</summary>
    internal sealed class Chat
    {
        internal Chat(IEnumerable<ChatMessage> messages, ChatOptions options)
        {
            options = options ?? new ChatOptions();
            var texts = new List<string>();
            foreach (ChatMessage message in Check.Given(messages, nameof(messages)))
            {
                Check.Given(message, nameof(messages));
                texts.Add(message.Role);
                texts.Add(message.Content);
            }
            Messages = new Utf8.Texts(texts, nameof(messages));
            var values = new List<string>();
            if (options.Variables != null)
            {
                foreach (KeyValuePair<string, string> variable in options.Variables)
                {
                    values.Add(variable.Key);
                    values.Add(variable.Value);
                }
            }
            Variables = new Utf8.Texts(values, nameof(options.Variables));
            Flags = options.GenerationPrompt ? 0 : Native.LEOAM_CHAT_NO_GENERATION_PROMPT;
        }

        internal Utf8.Texts Messages { get; }

        internal Utf8.Texts Variables { get; }

        internal ulong Flags { get; }

        /// <summary>Of the length of what becomes of it.</summary>
        internal long Guess
        {
            get { return 1024 + Messages.Bytes.Length + 64L * Messages.Sizes.Length; }
        }
    }
}
