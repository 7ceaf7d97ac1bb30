using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What a session file says of itself.</summary>
    public sealed class SessionFileInfo
    {
        internal SessionFileInfo(CFileInfo c)
        {
            FormatVersion = checked((int)c.FormatVersion);
            Encrypted = (c.Flags & Native.LEOAM_SESSION_FILE_ENCRYPTED) != 0;
            IndexLost = (c.Flags & Native.LEOAM_SESSION_FILE_INDEX_LOST) != 0;
            Generation = Check.Saturated(c.Generation);
            NTokens = Check.Saturated(c.NTokens);
            NKvTokens = Check.Saturated(c.NKvTokens);
            FileBytes = Check.Saturated(c.FileBytes);
            UsedBytes = Check.Saturated(c.UsedBytes);
            NLayers = checked((int)c.NLayers);
            NKvHeads = checked((int)c.NKvHeads);
            HeadDim = checked((int)c.HeadDim);
            NVocab = checked((int)c.NVocab);
            KvType = (KvType)c.KvType;
            PageTokens = checked((int)c.PageTokens);
            PieceTokens = checked((int)c.PieceTokens);
            ModelHash = c.ModelHash();
            ModelName = Utf8.Decode(c.Name());
        }

        /// <summary>Of the file.</summary>
        public int FormatVersion { get; }

        /// <summary>With a key of the application.</summary>
        public bool Encrypted { get; }

        /// <summary>All KV is to be computed again.</summary>
        public bool IndexLost { get; }

        /// <summary>Counts saves.</summary>
        public long Generation { get; }

        /// <summary>Of the sequence.</summary>
        public long NTokens { get; }

        /// <summary>Of them, those with KV in the file.</summary>
        public long NKvTokens { get; }

        /// <summary>Of the file.</summary>
        public long FileBytes { get; }

        /// <summary>
        /// Of <see cref="FileBytes"/>; <see cref="SessionFile.Compact"/> gives the rest back.
        /// </summary>
        public long UsedBytes { get; }

        /// <summary>Of the model.</summary>
        public int NLayers { get; }

        /// <summary>Of the model.</summary>
        public int NKvHeads { get; }

        /// <summary>Of the model.</summary>
        public int HeadDim { get; }

        /// <summary>Of the model.</summary>
        public int NVocab { get; }

        /// <summary>Of the KV.</summary>
        public KvType KvType { get; }

        /// <summary>Of a page.</summary>
        public int PageTokens { get; }

        /// <summary>Of a prefill piece.</summary>
        public int PieceTokens { get; }

        /// <summary>[16], of the model's tensors, hyper-parameters and tokenizer.</summary>
        public byte[] ModelHash { get; }

        /// <summary>Cut when long.</summary>
        public string ModelName { get; }
    }
}
