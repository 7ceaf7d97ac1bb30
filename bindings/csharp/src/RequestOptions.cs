using System.Collections.Generic;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>One generation.</summary>
    /// <remarks>Read when a call takes it. Not for several threads at once.</remarks>
    public sealed class RequestOptions
    {
        /// <summary>Appended to the session first; null or empty continues a session that has logits.</summary>
        public int[] Prompt { get; set; }

        /// <summary>Most tokens to generate; 0: 256.</summary>
        public int MaxTokens { get; set; }

        /// <summary>How tokens are drawn; greedy by default.</summary>
        public SamplerOptions Sampler { get; set; } = new SamplerOptions();

        /// <summary>Texts that end the generation and are not told: at most 64 of 1 to 256 bytes.</summary>
        public IReadOnlyList<string> Stop { get; set; } = new string[0];

        /// <summary>Tokens that end generation do not stop and are passed on.</summary>
        public bool IgnoreEnd { get; set; }

        /// <summary>Spells out control tokens in the text.</summary>
        public bool ShowSpecial { get; set; }

        /// <summary>
        /// Finishes with <see cref="FinishReason.Length"/> after the prompt; <see cref="MaxTokens"/> does not count.
        /// </summary>
        public bool PrefillOnly { get; set; }

        /// <summary>
        /// How events come, of <see cref="Session.Submit"/>; an <see cref="OnEvent"/> means
        /// <see cref="LeoAM.Delivery.Callback"/>.
        /// </summary>
        public Delivery Delivery { get; set; }

        /// <summary>Changes logits before each draw.</summary>
        public SamplerFunction OnLogits { get; set; }

        /// <summary>Takes events on a thread of the library, of <see cref="Session.Submit"/>.</summary>
        public EventFunction OnEvent { get; set; }

        internal CRequestOptions ToC(Delivery delivery)
        {
            return new CRequestOptions
            {
                Delivery = (int)delivery,
                Flags = (IgnoreEnd ? Native.LEOAM_REQUEST_IGNORE_END : 0) |
                    (ShowSpecial ? Native.LEOAM_REQUEST_SHOW_SPECIAL : 0) |
                    (PrefillOnly ? Native.LEOAM_REQUEST_PREFILL_ONLY : 0),
                MaxTokens = PrefillOnly ? 0 : Check.Count(MaxTokens, nameof(MaxTokens)),
            };
        }
    }
}
