namespace LeoAM
{
    /// <summary>What a token of the vocabulary is.</summary>
    public enum TokenType
    {
        /// <summary>Text.</summary>
        Normal = 1,

        /// <summary>Stands for text that no token has.</summary>
        UnknownText = 2,

        /// <summary>Not text: a mark of the chat format, the end.</summary>
        Control = 3,

        /// <summary>Added to the vocabulary.</summary>
        UserDefined = 4,

        /// <summary>Reserved.</summary>
        Unused = 5,

        /// <summary>One byte.</summary>
        Byte = 6,
    }
}
