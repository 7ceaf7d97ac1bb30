"""Reference tokenizers over one vocabulary: Hugging Face tokenizers, SentencePiece, llama.cpp."""

import ctypes
import dataclasses
import pathlib
import struct
import tempfile

import gguf
import llama_cpp
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)

GPT_2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}NUMBERS| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(regex):
    return pre_tokenizers.Split(Regex(regex), "isolated")


# As published in the families' tokenizer.json; "default" is what llama.cpp means by it.
SPLITS = {
    "smollm": [pre_tokenizers.Digits(individual_digits=True), _split(GPT_2)],
    "gpt-2": [_split(GPT_2)],
    "llama-bpe": [_split(LLAMA_3.replace("NUMBERS", "{1,3}"))],
    "qwen2": [_split(LLAMA_3.replace("NUMBERS", ""))],
    "default": [_split(r"[\p{P}\$\+<=>\^~\|]+"), _split(GPT_2), _split(r"\p{N}+"), _split(r"[0-9][0-9][0-9]")],
}


@dataclasses.dataclass
class Vocabulary:
    model: str
    tokens: list
    types: list
    scores: list = dataclasses.field(default_factory=list)
    merges: list = dataclasses.field(default_factory=list)
    bos: int = -1
    eos: int = -1
    unknown: int = -1
    add_space_prefix: bool = False

    @staticmethod
    def from_gguf(path):
        fields = gguf.GGUFReader(path).fields

        def value(key, absent=None):
            field = fields.get("tokenizer.ggml." + key)
            return absent if field is None else field.contents()

        return Vocabulary(
            value("model"), value("tokens"), value("token_type"), value("scores", []), value("merges", []),
            value("bos_token_id", -1), value("eos_token_id", -1), value("unknown_token_id", -1),
            value("add_space_prefix", False),
        )

    def ids_of_type(self, *types):
        return [i for i, t in enumerate(self.types) if t in types]


def hugging_face(vocabulary, pre, special):
    """text -> ids; `special`: control tokens in the text are recognised."""
    model = models.BPE(
        vocab={token: i for i, token in enumerate(vocabulary.tokens)},
        merges=[tuple(merge.split(" ")) for merge in vocabulary.merges],
        ignore_merges=pre == "llama-bpe",
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        SPLITS[pre] + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    added = vocabulary.ids_of_type(USER_DEFINED, *([CONTROL] if special else []))
    tokenizer.add_tokens([AddedToken(vocabulary.tokens[i], normalized=False) for i in added])
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def _message(number, payload):
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def _number(number, value):
    return _varint(number << 3) + _varint(value)


def sentence_piece(vocabulary):
    """text -> ids, through a SentencePiece model file made of the vocabulary (its ModelProto by hand)."""
    proto = bytearray()
    for i, token in enumerate(vocabulary.tokens):
        kind = UNKNOWN if i == vocabulary.unknown else vocabulary.types[i]
        text = token.replace(" ", "\u2581").encode()
        proto += _message(1, _message(1, text) + b"\x15" + struct.pack("<f", vocabulary.scores[i]) + _number(3, kind))
    names = {45: vocabulary.unknown, 46: vocabulary.bos, 47: vocabulary.eos}
    trainer = _number(3, 2) + _number(35, 1) + _number(40, vocabulary.unknown)
    trainer += b"".join(_message(n, vocabulary.tokens[i].encode()) for n, i in names.items())
    proto += _message(2, trainer)
    proto += _message(3, _message(1, b"identity") + _number(3, int(vocabulary.add_space_prefix)) + _number(4, 0) + _number(5, 1))
    processor = sentencepiece.SentencePieceProcessor(model_proto=bytes(proto))
    return lambda text: processor.encode(text)


@llama_cpp.llama_log_callback
def _drop_log(level, text, user_data):
    pass


llama_cpp.llama_log_set(_drop_log, ctypes.c_void_p(0))


def llama_cpp_file(path, special):
    """text -> ids with the vocabulary of a model file."""
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise RuntimeError(f"llama.cpp cannot load {path}")
    vocab = llama_cpp.llama_model_get_vocab(model)

    def encode(text):
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 16))()
        n = llama_cpp.llama_tokenize(vocab, data, len(data), room, len(room), False, special)
        return list(room[:n])

    return encode


def llama_cpp_vocabulary(vocabulary, pre, special):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "vocabulary.gguf"
        writer = gguf.GGUFWriter(str(path), "llama")
        writer.add_context_length(128)
        writer.add_embedding_length(64)
        writer.add_block_count(1)
        writer.add_tokenizer_model(vocabulary.model)
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(vocabulary.tokens)
        writer.add_token_types(vocabulary.types)
        if vocabulary.scores:
            writer.add_token_scores(vocabulary.scores)
        if vocabulary.merges:
            writer.add_token_merges(vocabulary.merges)
        writer.add_bos_token_id(vocabulary.bos)
        writer.add_eos_token_id(vocabulary.eos)
        if vocabulary.unknown >= 0:
            writer.add_unk_token_id(vocabulary.unknown)
        writer.add_add_space_prefix(vocabulary.add_space_prefix)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return llama_cpp_file(path, special)
