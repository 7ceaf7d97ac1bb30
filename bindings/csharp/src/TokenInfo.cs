using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>One token of a vocabulary.</summary>
    public sealed class TokenInfo
    {
        internal TokenInfo(CTokenInfo c)
        {
            Type = (TokenType)c.Type;
            EndsGeneration = (c.Flags & Native.LEOAM_TOKEN_ENDS_GENERATION) != 0;
            Piece = Utf8.Decode(c.Piece);
            Bytes = c.Bytes;
        }

        /// <summary>What it is.</summary>
        public TokenType Type { get; }

        /// <summary>Drawing it ends a generation.</summary>
        public bool EndsGeneration { get; }

        /// <summary>Its spelling in the file, for display.</summary>
        public string Piece { get; }

        /// <summary>
        /// What it stands for in running text: any bytes, perhaps a part of a character; empty for control
        /// tokens.
        /// </summary>
        public byte[] Bytes { get; }
    }
}
