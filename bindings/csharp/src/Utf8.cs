using System.Collections.Generic;
using System.IO;
using System.Text;

namespace LeoAM
{
    /// <summary>Text as the C interface has it. What is no text becomes U+FFFD, in both directions.</summary>
    internal static class Utf8
    {
        private static readonly UTF8Encoding Lenient = new UTF8Encoding(false, false);
        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, true);

        internal static byte[] Encode(string text, string name)
        {
            return Lenient.GetBytes(Check.Given(text, name));
        }

        /// <summary>A name in the file system, which must not become another one.</summary>
        internal static byte[] Path(string path)
        {
            try
            {
                return Strict.GetBytes(Check.Given(path, nameof(path)));
            }
            catch (EncoderFallbackException)
            {
                throw new LeoamInvalidArgumentException("path has half of a surrogate pair");
            }
        }

        internal static string Decode(byte[] bytes)
        {
            return Lenient.GetString(bytes);
        }

        internal static Decoder Decoder()
        {
            return Lenient.GetDecoder();
        }

        /// <summary>A list of texts as the shim takes it: one after the other, and their sizes.</summary>
        internal sealed class Texts
        {
            internal Texts(IReadOnlyList<string> texts, string name)
            {
                var bytes = new MemoryStream();
                Sizes = new int[texts.Count];
                for (int i = 0; i < Sizes.Length; ++i)
                {
                    byte[] text = Encode(texts[i], name);
                    bytes.Write(text, 0, text.Length);
                    Sizes[i] = text.Length;
                }
                Bytes = bytes.ToArray();
            }

            internal byte[] Bytes { get; }

            internal int[] Sizes { get; }
        }
    }
}
