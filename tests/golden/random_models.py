"""Writes the small random models beside this file (logits/*.gguf): `random_models.py [NAME ...]`.

Every architecture, every kind of RoPE and every weight type once. The same seeds give the same bytes.
"""

import pathlib
import sys
import zlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import quantize

FOLDER = pathlib.Path(__file__).parent / "logits"
CONTEXT = 1024

# name: architecture, and what differs from the defaults of `Shape`.
MODELS = {
    "llama_mha": ("llama", dict(n_kv_heads=4)),
    "llama_gqa": ("llama", dict(n_heads=6, n_kv_heads=2, n_embd=48)),
    "llama_tied": ("llama", dict(tied=True, n_kv_heads=1)),
    "llama_head_dim": ("llama", dict(head_dim=20)),
    "llama_rope_linear": ("llama", dict(rope="linear", rope_factor=4.0)),
    "llama_rope_yarn": ("llama", dict(rope="yarn", rope_factor=4.0, original_context=64, head_dim=16, n_heads=2,
                                      n_kv_heads=1)),
    "llama_rope_factors": ("llama", dict(rope_factors=True, rope_base=500000.0)),
    "qwen2": ("qwen2", dict(biases=True, rope_base=1000000.0)),
    "qwen2_rope_yarn": ("qwen2", dict(biases=True, rope="yarn", rope_factor=8.0, original_context=32, tied=True)),
    "qwen3": ("qwen3", dict(head_dim=12, rope_base=1000000.0)),
    "gemma3": ("gemma3", dict(n_layers=7, n_ff=24, tied=True, window=24, rope_base=1000000.0, n_kv_heads=1)),
    "gemma3_rope_linear": ("gemma3", dict(n_layers=7, n_ff=24, tied=True, window=33, rope_base=1000000.0,
                                          rope="linear", rope_factor=8.0)),
    "type_f16": ("llama", dict(weights=Type.F16)),
    "type_bf16": ("llama", dict(weights=Type.BF16)),
}
BLOCK_32 = dict(n_embd=96, n_heads=3, n_kv_heads=1, n_ff=64, n_vocab=100)
for kind in (Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0):
    MODELS["type_" + kind.name.lower()] = ("llama", dict(BLOCK_32, weights=kind))
BLOCK_256 = dict(n_embd=256, n_heads=4, n_kv_heads=1, n_ff=256, n_vocab=64, n_layers=1, tied=True)
for kind in (Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K):
    MODELS["type_" + kind.name.lower()] = ("llama", dict(BLOCK_256, weights=kind))


class Shape:
    n_layers, n_embd, n_heads, n_kv_heads, n_ff, n_vocab = 2, 32, 4, 2, 48, 80
    head_dim = None  # given in the file when set
    tied = biases = rope_factors = False
    rope, rope_factor, rope_base, original_context = None, 1.0, 10000.0, CONTEXT
    window = 0
    weights = Type.F32

    def __init__(self, values):
        self.__dict__.update(values)


def half(values):
    """Float16 bytes, the last axis twice as long."""
    return np.ascontiguousarray(values.astype(np.float16)).view(np.uint8)


def random_k_blocks(rng, kind, rows, columns, deviation):
    """Blocks of a K type with every field random, scaled so that values have about the wanted deviation. The
    package can read these types and not write them, and random fields reach more of the format than a quantiser."""
    n = rows * columns // 256
    any_bytes = lambda count: rng.integers(0, 256, (n, count), dtype=np.uint8)
    spread = rng.uniform(0.5, 1.5, (n, 1)) * deviation
    if kind == Type.Q2_K:  # scales 16, quants 64, d, dmin: value d * scale * q - dmin * min
        fields = [any_bytes(16), any_bytes(64), half(spread / 9), half(spread / 6)]
    elif kind == Type.Q3_K:  # high bits 32, quants 64, scales 12, d
        fields = [any_bytes(32), any_bytes(64), any_bytes(12), half(spread / 42)]
    elif kind == Type.Q4_K:  # d, dmin, scales 12, quants 128
        fields = [half(spread / 200), half(spread / 26), any_bytes(12), any_bytes(128)]
    elif kind == Type.Q5_K:  # d, dmin, scales 12, high bits 32, quants 128
        fields = [half(spread / 400), half(spread / 26), any_bytes(12), any_bytes(32), any_bytes(128)]
    elif kind == Type.Q6_K:  # low bits 128, high bits 64, signed scales 16, d
        fields = [any_bytes(128), any_bytes(64), any_bytes(16), half(spread / 1350)]
    else:
        raise ValueError(kind)
    return np.concatenate(fields, axis=1).reshape(rows, -1)


class Writer:
    def __init__(self, name, architecture, shape):
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.shape = shape
        self.gguf = gguf.GGUFWriter(FOLDER / f"{name}.gguf", architecture)
        self.gguf.add_name(name)

    def matrix(self, name, rows, columns, gain=1.0):
        deviation = gain / np.sqrt(columns)
        kind = self.shape.weights
        if kind.name.endswith("_K"):
            self.gguf.add_tensor(name, random_k_blocks(self.rng, kind, rows, columns, deviation), raw_dtype=kind)
            return
        values = self.rng.normal(0, deviation, (rows, columns)).astype(np.float32)
        if kind == Type.F32:
            self.gguf.add_tensor(name, values)
        else:
            self.gguf.add_tensor(name, quantize(values, kind), raw_dtype=kind)

    def vector(self, name, length, mean, deviation):
        self.gguf.add_tensor(name, self.rng.normal(mean, deviation, length).astype(np.float32))

    def metadata(self):
        s, g = self.shape, self.gguf
        g.add_context_length(CONTEXT)
        g.add_embedding_length(s.n_embd)
        g.add_block_count(s.n_layers)
        g.add_feed_forward_length(s.n_ff)
        g.add_head_count(s.n_heads)
        g.add_head_count_kv(s.n_kv_heads)
        g.add_layer_norm_rms_eps(1e-6)
        g.add_rope_freq_base(s.rope_base)
        g.add_vocab_size(s.n_vocab)
        if s.head_dim:
            g.add_key_length(s.head_dim)
            g.add_value_length(s.head_dim)
            g.add_rope_dimension_count(s.head_dim)
        if s.rope:
            g.add_rope_scaling_type(gguf.RopeScalingType(s.rope))
            g.add_rope_scaling_factor(s.rope_factor)
        if s.rope == "yarn":
            g.add_rope_scaling_orig_ctx_len(s.original_context)
        if s.window:
            g.add_sliding_window(s.window)
        g.add_tokenizer_model("none")

    def tensors(self, architecture):
        s = self.shape
        head_dim = s.head_dim or s.n_embd // s.n_heads
        gemma = architecture == "gemma3"
        self.matrix("token_embd.weight", s.n_vocab, s.n_embd, gain=3.0 if s.tied else 4.0)
        if s.rope_factors:
            self.gguf.add_tensor("rope_freqs.weight", np.linspace(1, 6, head_dim // 2, dtype=np.float32))
        for layer in range(s.n_layers):
            prefix = f"blk.{layer}."
            self.vector(prefix + "attn_norm.weight", s.n_embd, 1, 0.2)
            for part, heads, gain in (("q", s.n_heads, 1.5), ("k", s.n_kv_heads, 1.5), ("v", s.n_kv_heads, 1)):
                self.matrix(f"{prefix}attn_{part}.weight", heads * head_dim, s.n_embd, gain)
                if s.biases:
                    self.vector(f"{prefix}attn_{part}.bias", heads * head_dim, 0, 0.5)
            if architecture in ("qwen3", "gemma3"):
                self.vector(prefix + "attn_q_norm.weight", head_dim, 1.5, 0.3)
                self.vector(prefix + "attn_k_norm.weight", head_dim, 1.5, 0.3)
            self.matrix(prefix + "attn_output.weight", s.n_embd, s.n_heads * head_dim, 1.5)
            self.vector(prefix + "ffn_norm.weight", s.n_embd, 1, 0.2)
            self.matrix(prefix + "ffn_gate.weight", s.n_ff, s.n_embd, 1.5)
            self.matrix(prefix + "ffn_up.weight", s.n_ff, s.n_embd, 1.5)
            self.matrix(prefix + "ffn_down.weight", s.n_embd, s.n_ff, 1.5)
            if gemma:
                self.vector(prefix + "post_attention_norm.weight", s.n_embd, 1, 0.2)
                self.vector(prefix + "post_ffw_norm.weight", s.n_embd, 1, 0.2)
        self.vector("output_norm.weight", s.n_embd, 1, 0.2)
        if not s.tied:
            self.matrix("output.weight", s.n_vocab, s.n_embd, 2.5)


def write(name):
    architecture, values = MODELS[name]
    writer = Writer(name, architecture, Shape(values))
    writer.metadata()
    writer.tensors(architecture)
    writer.gguf.write_header_to_file()
    writer.gguf.write_kv_data_to_file()
    writer.gguf.write_tensors_to_file()
    writer.gguf.close()


def is_quantised(name):
    return Shape(MODELS[name][1]).weights not in (Type.F32, Type.F16, Type.BF16)


def tokens_of(name, n_tokens=200):
    """The token ids that the goldens of a random model run over."""
    n_vocab = Shape(MODELS[name][1]).n_vocab
    rng = np.random.default_rng(zlib.crc32(b"tokens " + name.encode()))
    return rng.integers(0, n_vocab, n_tokens).tolist()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for wanted in sys.argv[1:] or MODELS:
        write(wanted)
