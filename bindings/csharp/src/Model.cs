using System;
using System.Collections.Generic;
using System.Threading;
using LeoAM.Interop;

namespace LeoAM
{
    /// <summary>
    /// One model file, immutable, shared by sessions. All calls may come from any thread at any time.
    /// </summary>
    public sealed class Model : NativeObject
    {
        private ModelInfo info;

        internal Model(InstanceState state, NativeHandle handle) : base(state, handle) { }

        /// <summary>What the file says.</summary>
        public ModelInfo Info
        {
            get
            {
                ModelInfo known = Volatile.Read(ref info);
                if (known == null)
                {
                    known = Get(new CModelInfo(), Native.ModelGetInfo, c => new ModelInfo(c));
                    Volatile.Write(ref info, known);
                }
                return known;
            }
        }

        /// <summary>The file's metadata, with values as text (long arrays shortened).</summary>
        /// <returns>Key and value.</returns>
        public IReadOnlyDictionary<string, string> GetMetadata()
        {
            return Lists.Facts(this, Native.ModelGetMetadata);
        }

        /// <summary>One token of the vocabulary.</summary>
        /// <param name="token">Its id.</param>
        /// <returns>What the file says of it.</returns>
        /// <exception cref="LeoamInvalidArgumentException">There is no such token.</exception>
        /// <exception cref="LeoamUnsupportedException">The model has no tokenizer.</exception>
        public TokenInfo GetToken(int token)
        {
            return Get(
                new CTokenInfo(),
                (model, c, error) => Native.ModelGetToken(model, token, c, error),
                c => new TokenInfo(c));
        }

        /// <summary>The token that the file spells so.</summary>
        /// <param name="piece">The spelling.</param>
        /// <returns>Its id; null when there is none.</returns>
        public int? FindToken(string piece)
        {
            byte[] bytes = Utf8.Encode(piece, nameof(piece));
            try
            {
                return Call((model, error) => Native.ModelFindToken(model, bytes, error));
            }
            catch (LeoamNotFoundException)
            {
                return null;
            }
        }

        /// <summary>The tokens of a text.</summary>
        /// <param name="text">The text.</param>
        /// <param name="special">Control tokens spelt out in the text become those tokens.</param>
        /// <param name="bos">Begins with the beginning-of-sequence token where the file asks for it.</param>
        /// <returns>Their ids.</returns>
        public int[] Tokenize(string text, bool special = false, bool bos = false)
        {
            return Tokenize(Utf8.Encode(text, nameof(text)), special, bos);
        }

        /// <summary>The tokens of UTF-8; what is none is tokenised as bytes.</summary>
        /// <param name="text">The bytes.</param>
        /// <param name="special">Control tokens spelt out in the text become those tokens.</param>
        /// <param name="bos">Begins with the beginning-of-sequence token where the file asks for it.</param>
        /// <returns>Their ids.</returns>
        public int[] Tokenize(byte[] text, bool special = false, bool bos = false)
        {
            Check.Given(text, nameof(text));
            ulong flags = (special ? Native.LEOAM_TOKENIZE_SPECIAL : 0) | (bos ? Native.LEOAM_TOKENIZE_BOS : 0);
            return Lists.Collect<int>(this, text.Length + 16L, (model, tokens, error) =>
                Native.ModelTokenize(model, text, flags, tokens, error));
        }

        /// <summary>
        /// The text of tokens. Those that were cut from a longer sequence may begin or end inside a character, which
        /// becomes U+FFFD: <see cref="CreateTokenDecoder"/> joins them.
        /// </summary>
        /// <param name="tokens">Their ids.</param>
        /// <returns>The text.</returns>
        public string Detokenize(int[] tokens)
        {
            return Utf8.Decode(DetokenizeBytes(tokens));
        }

        /// <summary>The bytes of tokens.</summary>
        /// <param name="tokens">Their ids.</param>
        /// <param name="special">Control tokens are spelt out.</param>
        /// <param name="continues">
        /// The tokens go on from others: a blank that the format puts before a text is kept.
        /// </param>
        /// <returns>UTF-8, perhaps with a part of a character at either end.</returns>
        /// <exception cref="LeoamInvalidArgumentException">There is no such token.</exception>
        public byte[] DetokenizeBytes(int[] tokens, bool special = false, bool continues = false)
        {
            Check.Given(tokens, nameof(tokens));
            ulong flags = (special ? Native.LEOAM_DETOKENIZE_SPECIAL : 0) |
                (continues ? Native.LEOAM_DETOKENIZE_CONTINUE : 0);
            return Lists.Collect<byte>(this, tokens.Length * 8L, (model, text, error) =>
                Native.ModelDetokenize(model, tokens, flags, text, error));
        }

        /// <summary>Turns tokens into text as they come.</summary>
        /// <param name="special">Control tokens are spelt out.</param>
        /// <returns>For one sequence of tokens.</returns>
        public TokenDecoder CreateTokenDecoder(bool special = false)
        {
            return new TokenDecoder(this, special);
        }

        /// <summary>The conversation in the model's own format, for display.</summary>
        /// <param name="messages">In order.</param>
        /// <param name="options">Null: with the assistant's turn opened.</param>
        /// <returns>The text.</returns>
        /// <exception cref="LeoamUnsupportedException">There is no template that the library can read.</exception>
        /// <exception cref="LeoamInvalidArgumentException">The template refuses, with its words.</exception>
        public string RenderChat(IEnumerable<ChatMessage> messages, ChatOptions options = null)
        {
            var chat = new Chat(messages, options);
            return Utf8.Decode(Lists.Collect<byte>(this, chat.Guess, (model, text, error) => Native.ModelRenderChat(
                model, chat.Messages.Bytes, chat.Messages.Sizes, chat.Variables.Bytes, chat.Variables.Sizes,
                chat.Flags, text, error)));
        }

        /// <summary>
        /// The conversation as tokens: control tokens of the template become tokens, those spelt out in messages stay
        /// text. Fails as <see cref="RenderChat"/>.
        /// </summary>
        /// <param name="messages">In order.</param>
        /// <param name="options">Null: with the assistant's turn opened.</param>
        /// <returns>Ids, for the prompt of a request.</returns>
        public int[] TokenizeChat(IEnumerable<ChatMessage> messages, ChatOptions options = null)
        {
            var chat = new Chat(messages, options);
            return Lists.Collect<int>(this, chat.Guess, (model, tokens, error) => Native.ModelTokenizeChat(
                model, chat.Messages.Bytes, chat.Messages.Sizes, chat.Variables.Bytes, chat.Variables.Sizes,
                chat.Flags, tokens, error));
        }

        /// <summary>An empty session.</summary>
        /// <param name="options">Null: the defaults.</param>
        /// <returns>To be disposed.</returns>
        /// <exception cref="LeoamException">
        /// InvalidArgument, Unsupported (policy; a header-only model), OutOfMemory.
        /// </exception>
        public Session CreateSession(SessionOptions options = null)
        {
            options = options ?? new SessionOptions();
            byte[] policy = Utf8.Encode(options.Policy, nameof(options.Policy));
            using (CSessionOptions c = options.ToC())
            {
                NativeHandle session = Make(
                    null,
                    (model, listener, error) => Native.SessionCreate(model, c, policy, error),
                    Native.SessionRelease);
                return new Session(State, session, this);
            }
        }

        /// <summary>
        /// The saved session, on the model that it was made with. Reads the index, not the KV: pages come when they
        /// are attended to, and those that are damaged are computed again. Not in callbacks of the instance.
        /// </summary>
        /// <param name="path">Of the session file.</param>
        /// <param name="file">Its key; null: a plaintext file.</param>
        /// <param name="options">
        /// Null: as in the file. KvType, PageTokens and PieceTokens are 0 or those of the file; the context must hold
        /// the saved tokens.
        /// </param>
        /// <returns>To be disposed.</returns>
        /// <exception cref="LeoamException">
        /// NotFound, Busy (open elsewhere), Version (a newer format), InvalidArgument (a wrong key, none for an
        /// encrypted file, one for a plaintext file, an option), Unsupported (another model, not a private file),
        /// Corrupt (no copy of the tokens is whole), NoSpace, IO, Cancelled (by the key function); the file is
        /// untouched then.
        /// </exception>
        public Session OpenSession(string path, SessionFileOptions file = null, SessionOptions options = null)
        {
            options = options ?? new SessionOptions();
            file = file ?? new SessionFileOptions();
            byte[] bytes = Utf8.Path(path);
            byte[] policy = Utf8.Encode(options.Policy, nameof(options.Policy));
            byte[] key = SessionKey.BytesOf(file.Key);
            using (CSessionOptions c = options.ToC())
            {
                NativeHandle session = Make(
                    new Callbacks.Functions { Key = SessionKey.FunctionOf(file.Key) },
                    (model, listener, error) =>
                        Native.ModelOpenSession(model, bytes, c, policy, key, listener, error),
                    Native.SessionRelease);
                GC.KeepAlive(file);
                return new Session(State, session, this);
            }
        }
    }
}
