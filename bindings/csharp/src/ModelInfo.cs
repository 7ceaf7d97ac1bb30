using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>What a model file says.</summary>
    public sealed class ModelInfo
    {
        internal ModelInfo(CModelInfo c)
        {
            GgufVersion = checked((int)c.GgufVersion);
            Architecture = Utf8.Decode(c.Architecture);
            Name = Utf8.Decode(c.Name);
            Quantization = Utf8.Decode(c.Quantization);
            Tokenizer = Utf8.Decode(c.Tokenizer);
            PreTokenizer = Utf8.Decode(c.PreTokenizer);
            HasTokenizer = (c.Flags & Native.LEOAM_MODEL_HAS_TOKENIZER) != 0;
            HasChatTemplate = (c.Flags & Native.LEOAM_MODEL_HAS_CHAT_TEMPLATE) != 0;
            AddsBos = (c.Flags & Native.LEOAM_MODEL_ADDS_BOS) != 0;
            HeaderOnly = (c.Flags & Native.LEOAM_MODEL_HEADER_ONLY) != 0;
            NLayers = checked((int)c.NLayers);
            NEmbd = checked((int)c.NEmbd);
            NHeads = checked((int)c.NHeads);
            NKvHeads = checked((int)c.NKvHeads);
            HeadDim = checked((int)c.HeadDim);
            NFf = checked((int)c.NFf);
            NVocab = checked((int)c.NVocab);
            ContextTokens = checked((int)c.ContextTokens);
            SlidingWindowTokens = checked((int)c.SlidingWindowTokens);
            RopeScaling = (RopeScaling)c.RopeScaling;
            RopeFactor = c.RopeFactor;
            RopeBase = c.RopeBase;
            RopeOriginalContextTokens = checked((int)c.RopeOriginalContextTokens);
            BosToken = checked((int)c.BosToken);
            EosToken = checked((int)c.EosToken);
            NParameters = Check.Saturated(c.NParameters);
            NTensors = Check.Saturated(c.NTensors);
            NMetadata = Check.Saturated(c.NMetadata);
            FileBytes = Check.Saturated(c.FileBytes);
            WeightBytes = Check.Saturated(c.WeightBytes);
            MemoryBytes = Check.Saturated(c.MemoryBytes);
        }

        /// <summary>Of the file's format.</summary>
        public int GgufVersion { get; }

        /// <summary>"llama".</summary>
        public string Architecture { get; }

        /// <summary>May be empty.</summary>
        public string Name { get; }

        /// <summary>The type with most bytes, "q4_1".</summary>
        public string Quantization { get; }

        /// <summary>"gpt2", "llama", "none".</summary>
        public string Tokenizer { get; }

        /// <summary>"smollm"; may be empty.</summary>
        public string PreTokenizer { get; }

        /// <summary>Else the model runs on token ids alone.</summary>
        public bool HasTokenizer { get; }

        /// <summary>The file carries one.</summary>
        public bool HasChatTemplate { get; }

        /// <summary>Texts begin with <see cref="BosToken"/> by default.</summary>
        public bool AddsBos { get; }

        /// <summary>It has no weights.</summary>
        public bool HeaderOnly { get; }

        /// <summary>Layers.</summary>
        public int NLayers { get; }

        /// <summary>Width.</summary>
        public int NEmbd { get; }

        /// <summary>Query heads of a layer.</summary>
        public int NHeads { get; }

        /// <summary>KV heads of a layer.</summary>
        public int NKvHeads { get; }

        /// <summary>Width of a head.</summary>
        public int HeadDim { get; }

        /// <summary>Width of the feed-forward part.</summary>
        public int NFf { get; }

        /// <summary>Tokens of the vocabulary.</summary>
        public int NVocab { get; }

        /// <summary>After overrides.</summary>
        public int ContextTokens { get; }

        /// <summary>0: none.</summary>
        public int SlidingWindowTokens { get; }

        /// <summary>Never FromFile.</summary>
        public RopeScaling RopeScaling { get; }

        /// <summary>Context extension factor.</summary>
        public float RopeFactor { get; }

        /// <summary>Base of the angles.</summary>
        public float RopeBase { get; }

        /// <summary>Trained context.</summary>
        public int RopeOriginalContextTokens { get; }

        /// <summary>-1: none.</summary>
        public int BosToken { get; }

        /// <summary>-1: none.</summary>
        public int EosToken { get; }

        /// <summary>Numbers in the tensors.</summary>
        public long NParameters { get; }

        /// <summary>Tensors.</summary>
        public long NTensors { get; }

        /// <summary>Entries of the metadata.</summary>
        public long NMetadata { get; }

        /// <summary>Of the file.</summary>
        public long FileBytes { get; }

        /// <summary>Tensor data in the file.</summary>
        public long WeightBytes { get; }

        /// <summary>Weights in memory; 0 for a header.</summary>
        public long MemoryBytes { get; }
    }
}
