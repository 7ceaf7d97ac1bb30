"""A plain forward pass in NumPy: what a GGUF model means, without regard to speed.

Weights are dequantised by the `gguf` package; everything behind that is written out here. The dtype decides the
precision of every step. Architectures: llama, qwen2, qwen3, gemma3.

    model = Model("model.gguf", np.float64)
    log_probabilities = model.log_probabilities(tokens)    # [n_tokens][n_vocab]
"""

import math

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

ADJACENT_PAIRS = {"llama"}
ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma3")
GEMMA_PERIOD = 6  # five sliding layers, then a global one
GEMMA_LOCAL_BASE = 10000.0


class Config:
    def __init__(self, reader):
        def get(key, default=None):
            field = reader.fields.get(key)
            if field is None:
                return default
            return field.contents()

        self.architecture = arch = get("general.architecture")
        if arch not in ARCHITECTURES:
            raise ValueError(f"architecture {arch!r} is not one of {ARCHITECTURES}")
        self.n_layers = get(f"{arch}.block_count")
        self.n_embd = get(f"{arch}.embedding_length")
        self.n_heads = get(f"{arch}.attention.head_count")
        self.n_kv_heads = get(f"{arch}.attention.head_count_kv", self.n_heads)
        self.head_dim = get(f"{arch}.attention.key_length", self.n_embd // self.n_heads)
        self.n_rot = get(f"{arch}.rope.dimension_count", self.head_dim)
        self.context_tokens = get(f"{arch}.context_length")
        self.norm_eps = get(f"{arch}.attention.layer_norm_rms_epsilon")
        self.rope_base = get(f"{arch}.rope.freq_base", 10000.0)
        self.rope_scaling = get(f"{arch}.rope.scaling.type", "none")
        self.rope_factor = get(f"{arch}.rope.scaling.factor", 1.0)
        self.original_context = get(f"{arch}.rope.scaling.original_context_length", self.context_tokens)
        self.attn_factor = get(f"{arch}.rope.scaling.attn_factor", 1.0)
        self.window = get(f"{arch}.attention.sliding_window", 0) if arch == "gemma3" else 0
        self.embedding_scale = math.sqrt(self.n_embd) if arch == "gemma3" else 1.0

    def is_sliding(self, layer):
        return self.window > 0 and layer % GEMMA_PERIOD != GEMMA_PERIOD - 1


def rope_frequencies(config, factors):
    """Angles a position for every pair of channels, and the factor on both sine and cosine."""
    n_rot, base = config.n_rot, config.rope_base
    frequency = base ** (-np.arange(0, n_rot, 2, dtype=np.float64) / n_rot)
    if factors is not None:
        frequency = frequency / factors
    if config.rope_scaling == "linear":
        return frequency / config.rope_factor, 1.0
    if config.rope_scaling != "yarn":
        return frequency, 1.0

    # YaRN: a pair that turns more than beta_fast times within the original context keeps its frequency, one that
    # turns less than beta_slow times is interpolated, those between are mixed.
    def pair_that_turns(times):
        return n_rot * math.log(config.original_context / (times * 2 * math.pi)) / (2 * math.log(base))

    low = max(0, math.floor(pair_that_turns(32.0)))
    high = min(n_rot - 1, math.ceil(pair_that_turns(1.0)))
    pair = np.arange(n_rot // 2)
    keep = 1.0 - np.clip((pair - low) / max(0.001, high - low), 0.0, 1.0)
    mixed = frequency / config.rope_factor * (1.0 - keep) + frequency * keep
    return mixed, config.attn_factor * (1.0 + 0.1 * math.log(config.rope_factor))


def local_rope_frequencies(config):
    return GEMMA_LOCAL_BASE ** (-np.arange(0, config.n_rot, 2, dtype=np.float64) / config.n_rot), 1.0


def rotate(x, frequency, scale, adjacent):
    """x [n_tokens][n_heads][head_dim], token t at position t."""
    n_rot = 2 * len(frequency)
    angle = np.arange(len(x))[:, None, None] * frequency
    cos, sin = (np.cos(angle) * scale).astype(x.dtype), (np.sin(angle) * scale).astype(x.dtype)
    if adjacent:
        first, second = slice(0, n_rot, 2), slice(1, n_rot, 2)
    else:
        first, second = slice(0, n_rot // 2), slice(n_rot // 2, n_rot)
    out = x.copy()
    out[..., first] = x[..., first] * cos - x[..., second] * sin
    out[..., second] = x[..., first] * sin + x[..., second] * cos
    return out


def rms_norm(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(eps)) * weight


def silu(x):
    with np.errstate(over="ignore"):  # exp(-x) -> inf is the right limit
        return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def attention(q, k, v, window):
    """q [n][n_heads][d], k and v [n][n_kv_heads][d] -> [n][n_heads * d]; causal, over the last `window` tokens."""
    n_tokens, n_heads, head_dim = q.shape
    group = n_heads // k.shape[1]
    distance = np.arange(n_tokens)[:, None] - np.arange(n_tokens)[None, :]
    hidden = distance < 0
    if window:
        hidden |= distance >= window
    out = np.empty_like(q)
    for head in range(n_heads):
        score = q[:, head] @ k[:, head // group].T / q.dtype.type(math.sqrt(head_dim))
        score[hidden] = -np.inf
        weight = np.exp(score - score.max(axis=1, keepdims=True))
        out[:, head] = weight @ v[:, head // group] / weight.sum(axis=1, keepdims=True)
    return out.reshape(n_tokens, n_heads * head_dim)


def eight_bit(x):
    """x rounded to 8 bits in blocks of 32 columns, as engines do before a quantised matrix."""
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    scale = np.abs(blocks).max(axis=-1, keepdims=True) / 127
    scale[scale == 0] = 1
    return (np.round(blocks / scale) * scale).reshape(x.shape).astype(x.dtype)


class Model:
    """eight_bit_activations: the input of every quantised matrix is rounded by eight_bit(), which tells how far
    a right engine may be from the exact pass."""

    def __init__(self, path, dtype=np.float32, eight_bit_activations=False):
        reader = GGUFReader(path)
        self.config = Config(reader)
        self.dtype = dtype
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        self.eight_bit_activations = eight_bit_activations
        self.embedding = self.weight("token_embd.weight")

    def weight(self, name):
        """[rows][columns] or [columns], or None."""
        tensor = self.tensors.get(name)
        return None if tensor is None else dequantize(tensor.data, tensor.tensor_type).astype(self.dtype)

    def rounded_for(self, name, x):
        is_float = self.tensors[name].tensor_type.name in ("F32", "F16", "BF16")
        return eight_bit(x) if self.eight_bit_activations and not is_float else x

    def linear(self, name, x):
        y = self.rounded_for(name + ".weight", x) @ self.weight(name + ".weight").T
        bias = self.weight(name + ".bias")
        return y if bias is None else y + bias

    def attention_part(self, layer, x):
        c, prefix = self.config, f"blk.{layer}."
        n_tokens = len(x)
        x = rms_norm(x, self.weight(prefix + "attn_norm.weight"), c.norm_eps)
        q = self.linear(prefix + "attn_q", x).reshape(n_tokens, c.n_heads, c.head_dim)
        k = self.linear(prefix + "attn_k", x).reshape(n_tokens, c.n_kv_heads, c.head_dim)
        v = self.linear(prefix + "attn_v", x).reshape(n_tokens, c.n_kv_heads, c.head_dim)
        if c.architecture in ("qwen3", "gemma3"):
            q = rms_norm(q, self.weight(prefix + "attn_q_norm.weight"), c.norm_eps)
            k = rms_norm(k, self.weight(prefix + "attn_k_norm.weight"), c.norm_eps)
        if c.is_sliding(layer):
            frequency, scale = local_rope_frequencies(c)
        else:
            factors = self.weight("rope_freqs.weight")
            frequency, scale = rope_frequencies(c, factors)
        adjacent = c.architecture in ADJACENT_PAIRS
        q, k = rotate(q, frequency, scale, adjacent), rotate(k, frequency, scale, adjacent)
        out = attention(q, k, v, c.window if c.is_sliding(layer) else 0)
        return self.linear(prefix + "attn_output", out)

    def feed_forward_part(self, layer, x):
        c, prefix = self.config, f"blk.{layer}."
        x = rms_norm(x, self.weight(prefix + "ffn_norm.weight"), c.norm_eps)
        activation = gelu_tanh if c.architecture == "gemma3" else silu
        gated = activation(self.linear(prefix + "ffn_gate", x)) * self.linear(prefix + "ffn_up", x)
        return self.linear(prefix + "ffn_down", gated)

    def hidden(self, tokens):
        """The normed output of the last layer, [n_tokens][n_embd]."""
        c = self.config
        x = self.embedding[np.asarray(tokens)] * self.dtype(c.embedding_scale)
        for layer in range(c.n_layers):
            for part, post_norm in ((self.attention_part, "post_attention_norm"),
                                    (self.feed_forward_part, "post_ffw_norm")):
                y = part(layer, x)
                if c.architecture == "gemma3":
                    y = rms_norm(y, self.weight(f"blk.{layer}.{post_norm}.weight"), c.norm_eps)
                x = x + y
        return rms_norm(x, self.weight("output_norm.weight"), c.norm_eps)

    def log_probability_rows(self, tokens, piece=64):
        """Yields the rows of log_probabilities() in order, without holding them all."""
        name = "output.weight" if "output.weight" in self.tensors else "token_embd.weight"
        head = self.weight(name) if name == "output.weight" else self.embedding
        hidden = self.rounded_for(name, self.hidden(tokens))
        for begin in range(0, len(hidden), piece):
            logits = hidden[begin : begin + piece] @ head.T
            logits -= logits.max(axis=1, keepdims=True)
            yield from logits - np.log(np.exp(logits.astype(np.float64)).sum(axis=1, keepdims=True))

    def log_probabilities(self, tokens):
        return np.array(list(self.log_probability_rows(tokens)))
