using System.Text;

namespace LeoAM
{
    /// <summary>
    /// Turns the tokens of one sequence into text as they come, in whole characters: bytes of a character that the next
    /// token completes are kept until then. Not for several threads at once.
    /// </summary>
    public sealed class TokenDecoder
    {
        private readonly Model model;
        private readonly bool special;
        private readonly Decoder decoder = Utf8.Decoder();
        private bool continues;

        internal TokenDecoder(Model model, bool special)
        {
            this.model = model;
            this.special = special;
        }

        /// <summary>What has become complete with these tokens.</summary>
        /// <param name="tokens">The next ones.</param>
        /// <returns>May be empty.</returns>
        public string Add(params int[] tokens)
        {
            byte[] bytes = model.DetokenizeBytes(tokens, special, continues);
            continues = continues || tokens.Length > 0;
            return Decode(bytes, false);
        }

        /// <summary>The end: U+FFFD for a character that was cut, else nothing.</summary>
        /// <returns>May be empty.</returns>
        public string End()
        {
            continues = false;
            return Decode(new byte[0], true);
        }

        private string Decode(byte[] bytes, bool flush)
        {
            var characters = new char[decoder.GetCharCount(bytes, 0, bytes.Length, flush)];
            int count = decoder.GetChars(bytes, 0, bytes.Length, characters, 0, flush);
            return new string(characters, 0, count);
        }
    }
}
