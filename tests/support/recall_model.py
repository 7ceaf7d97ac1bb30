"""A model whose right answers are known at any length, and texts for it.

    recall_model.py model FILE.gguf [--context TOKENS] [--heads mixed|peaked]
    recall_model.py text FILE.json --tokens N --kind clustered|unstructured [--seed S] [--pairs 20] [--near 5]
                                   [--chains 3] [--hops 3] [--counts 1]

Small trained models stop retrieving far below the lengths that a selection of KV is meant for, so a wrong answer
there says nothing. This one is an ordinary GGUF file (`llama`, no tokenizer, every weight written by hand) that
under full attention recalls what its text says, whatever the length: a wrong answer is the selection's.

How it works. The code of a token is 64 signs divided by 8, so it has norm 1 and the products of two independent
ones have standard deviation 1/8. The residual, by dimension:

    NAME   64  code of the token
    ASK    64  code that the token looks for: its own; of a link, that of the key it stands for
    PREV   64  name of the previous token              written by layer 2, head 0
    ANSWER 64  name of what follows the asked key      written by layer 3, heads 0, 2 and 3
    ONE     1  1
    CLASS   2  two classes of the token, +1 or -1 each
    COUNT   3  (1, 0, 1) and (0, 1, 1) of the tokens that ask how the classes are spread; their CLASS is 0
    MEAN    2  mean class of the context               written by layer 2, heads 2 and 3, and layer 3, head 1

The squared norm is 5 until layer 2 and 6 after it, and each norm's weight undoes the RMS that follows from it.
Pairs of a head turn with the position in the lower half (`rope_freqs` 1) and as good as not in the upper (1e6: by
0.003 at most within 262,144 tokens).

- Layers 0 and 1 only pass on, so that a policy that leaves the first two dense hides nothing. Feed-forwards are 0.
- Layer 2, KV head 0 (local): the key is (1, 0) in every turning pair, the query of head 0 the same, turned back by one
  position and times SHARP: the sum of cosines of the distance less 1 peaks at the token before. Head 1 likewise, two back;
  nothing reads it.
- Layer 2, KV head 1 (flat): no query, keys as varied as names: heads 2 and 3 are the mean over all of the context. What
  they answer is right only if the tokens that are not attended to are estimated.
- Layer 3, KV head 0 (flat and peaked in one group): head 0 looks for ASK in PREV with gain MATCH and copies the first
  half of the name; head 1 has no query and means the second class.
- Layer 3, KV head 1 (peaked): the same match with keys turned by a Hadamard matrix, whose channels are not two-valued;
  heads 2 and 3 copy the second half. So an answer is right only if both KV heads found the place.
With --heads peaked the flat heads are peaked ones too (and counts have no answer): then a high coverage is possible
with few tokens in every head.

Questions: a *pair* is a key and the value behind it; *near* ones have three more keys in the text that differ in 4, 6
and 8 signs of 64, each with its own value; in a *hops* chain the value is a link, which asks for the next key when it is
fed back; *count* and *count_shared* ask for the mean of a class in steps of 1/16, answered by the flat heads of
their own and by the one that shares its KV head with a peaked one.

Texts: *unstructured*, independent codes: any 32 keys reach both signs in every dimension, so all chunks have the same
minimum and maximum and every bound is blind. *Clustered*: runs of 64 to 512 tokens of one topic, whose names share 48 of
64 signs: bounds are tight, and a foreign key stands out, as in real text. Runs lean to one class or
the other, so that the mean of a part is not the mean of the whole.

A text file is {"tokens": [id], "questions": [{"kind", "ask": [id], "answer": [id], "at": position}]}: behind all of the
tokens come those of `ask`, and what is then drawn greedily must be `answer`. `leoam eval --recall` reads it.
"""

import argparse
import array
import json
import math
import random
import struct

CODE_SEED = 20250620
N_LAYERS, N_HEADS, N_KV_HEADS, HEAD_DIM, N_FF = 4, 4, 2, 128, 32
N_CODE = 64
ROPE_BASE = 10000.0
SHARP = 10.0   # of the local heads: the neighbours of the place get exp(-19)
MATCH = 40.0   # of the matching heads: 4 signs of 64 are exp(-5); 262,144 random codes together exp(-15)
RECALL = 16.0  # logit of the right answer
LEVEL = 1024.0  # of the counts: neighbouring levels differ by 4 in the logit
SILENT = 2048.0  # keeps the levels out of all other answers

NAME, ASK, PREV, ANSWER = (N_CODE * i for i in range(4))
ONE = 4 * N_CODE
CLASS = ONE + 1
COUNT = CLASS + 2
MEAN = COUNT + 3
N_EMBD = 320

# Ids. Classes of an ordinary token are the two lowest bits of its id.
N_STEPS = 16  # levels are -16/16 to 16/16
ASK_COUNT = 0  # and the next: one for each class
LEVELS = 8     # 33 for the first class, then 33 for the second
KEYS = 128     # four in a row: a key and its three near ones
N_KEYS = 1024
NEAR_SIGNS = (4, 6, 8)
LINKS = KEYS + N_KEYS  # one for each family of keys
VALUES = LINKS + N_KEYS // 4
N_VALUES = 640
TOPICS = VALUES + N_VALUES
N_TOPICS, TOPIC_WORDS, TOPIC_SIGNS = 32, 64, 48
WORDS = TOPICS + N_TOPICS * TOPIC_WORDS
N_WORDS = 2048
N_VOCAB = WORDS + N_WORDS


def signs(code):
    return [0.125 if code >> i & 1 else -0.125 for i in range(N_CODE)]


def near(rng, code, n_signs):
    for i in rng.sample(range(N_CODE), n_signs):
        code ^= 1 << i
    return code


def names():
    """The code of each id as 64 bits."""
    rng = random.Random(CODE_SEED)
    codes = [rng.getrandbits(N_CODE) for _ in range(N_VOCAB)]
    for key in range(KEYS, KEYS + N_KEYS, 4):
        for i, n_signs in enumerate(NEAR_SIGNS):
            codes[key + 1 + i] = near(rng, codes[key], n_signs)
    for topic in range(N_TOPICS):
        base = rng.getrandbits(N_CODE)
        shared = sum(1 << i for i in rng.sample(range(N_CODE), TOPIC_SIGNS))
        for word in range(TOPICS + topic * TOPIC_WORDS, TOPICS + (topic + 1) * TOPIC_WORDS):
            codes[word] = base & shared | codes[word] & ~shared
    return codes


def classes(token):
    return tuple(1 if token >> bit & 1 else -1 for bit in range(2))


# The model.


class Matrix:
    """[rows, columns] of zeros with some entries set; rows are the outputs."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.values = array.array("f", bytes(4 * rows * columns))

    def __setitem__(self, at, value):
        self.values[at[0] * self.columns + at[1]] = value

    def set_row(self, row, column, values):
        start = row * self.columns + column
        self.values[start:start + len(values)] = array.array("f", values)

    def tensor(self, half=False):
        data = struct.pack(f"<{len(self.values)}e", *self.values) if half else self.values.tobytes()
        return [self.columns, self.rows], 1 if half else 0, data


def vector(values):
    return [len(values)], 0, array.array("f", values).tobytes()


def embeddings(codes):
    table = Matrix(N_VOCAB, N_EMBD)
    for token, code in enumerate(codes):
        asked = codes[KEYS + 4 * (token - LINKS)] if LINKS <= token < VALUES else code
        table.set_row(token, NAME, signs(code))
        table.set_row(token, ASK, signs(asked))
        table[token, ONE] = 1
        if token - ASK_COUNT in (0, 1):
            table.set_row(token, COUNT, [1 - (token - ASK_COUNT), token - ASK_COUNT, 1])
        else:
            table.set_row(token, CLASS, classes(token))
    return table


def output(codes):
    """Codes against ANSWER; of a level c, with the mean m: LEVEL (2 c m - c^2), the nearest one is the largest."""
    table = Matrix(N_VOCAB, N_EMBD)
    for token, code in enumerate(codes):
        if token >= KEYS:
            table.set_row(token, ANSWER, [RECALL * sign for sign in signs(code)])
    for kind in range(2):
        for step in range(-N_STEPS, N_STEPS + 1):
            row = level_token(kind, step)
            c = step / N_STEPS
            table[row, MEAN + kind] = 2 * LEVEL * c
            table[row, ONE] = -SILENT - LEVEL * c * c
            table[row, COUNT + kind] = 2 * SILENT
    for token in [*range(LEVELS), *range(LEVELS + 2 * (2 * N_STEPS + 1), KEYS)]:
        table[token, ONE] = -SILENT
    return table


def level_token(kind, step):
    return LEVELS + kind * (2 * N_STEPS + 1) + N_STEPS + step


class Attention:
    """Weights of one layer. Heads are blocks of HEAD_DIM; pair i of a head is its elements 2 i and 2 i + 1."""

    def __init__(self):
        self.q = Matrix(N_HEADS * HEAD_DIM, N_EMBD)
        self.k = Matrix(N_KV_HEADS * HEAD_DIM, N_EMBD)
        self.v = Matrix(N_KV_HEADS * HEAD_DIM, N_EMBD)
        self.o = Matrix(N_EMBD, N_HEADS * HEAD_DIM)

    def local(self, head, kv_head, distance):
        for i in range(HEAD_DIM // 4):
            turn = distance * ROPE_BASE ** (-2 * i / HEAD_DIM)
            gain = SHARP * math.sqrt(HEAD_DIM)
            self.q[head * HEAD_DIM + 2 * i, ONE] = gain * math.cos(turn)
            self.q[head * HEAD_DIM + 2 * i + 1, ONE] = -gain * math.sin(turn)
            self.k[kv_head * HEAD_DIM + 2 * i, ONE] = 1

    def content_keys(self, kv_head, source, basis):
        self.content(self.k, kv_head, source, basis, 1.0)

    def match(self, head, source, basis):
        self.content(self.q, head, source, basis, MATCH * math.sqrt(HEAD_DIM))

    def content(self, matrix, head, source, basis, gain):
        """The code at `source`, in another basis, into the pairs that do not turn."""
        for i, row in enumerate(basis):
            matrix.set_row(head * HEAD_DIM + HEAD_DIM // 2 + i, source, [gain * x for x in row])

    def value(self, kv_head, first, source, count):
        for i in range(count):
            self.v[kv_head * HEAD_DIM + first + i, source + i] = 1

    def write(self, head, first, target, count, share=1.0):
        for i in range(count):
            self.o[target + i, head * HEAD_DIM + first + i] = share


def identity():
    return [[1.0 if i == j else 0.0 for j in range(N_CODE)] for i in range(N_CODE)]


def hadamard():
    return [[(-1.0) ** bin(i & j).count("1") / math.sqrt(N_CODE) for j in range(N_CODE)] for i in range(N_CODE)]


def attention(layer, flat):
    a = Attention()
    half = N_CODE // 2
    if layer == 2:
        a.local(0, 0, 1)
        a.local(1, 0, 2)
        a.value(0, 0, NAME, N_CODE)
        a.write(0, 0, PREV, N_CODE)
        if flat:
            a.content_keys(1, NAME, identity())
            a.value(1, 0, CLASS, 1)
            for head in (2, 3):
                a.write(head, 0, MEAN, 1, 0.5)
        else:
            a.local(2, 1, 1)
            a.local(3, 1, 2)
    if layer == 3:
        a.content_keys(0, PREV, identity())
        a.match(0, ASK, identity())
        a.value(0, 0, NAME, half)
        a.value(0, half, CLASS + 1, 1)
        a.write(0, 0, ANSWER, half)
        if flat:
            a.write(1, half, MEAN + 1, 1)
        else:
            a.match(1, ASK, identity())
        a.content_keys(1, PREV, hadamard())
        a.value(1, 0, NAME + half, half)
        for head in (2, 3):
            a.match(head, ASK, hadamard())
            a.write(head, 0, ANSWER + half, half, 0.5)
    return a


def write_model(path, context, flat=True):
    codes = names()
    norm = lambda squared: vector([math.sqrt(squared / N_EMBD)] * N_EMBD)
    tensors = {
        "token_embd.weight": embeddings(codes).tensor(half=True),
        "rope_freqs.weight": vector([1.0] * (HEAD_DIM // 4) + [1e6] * (HEAD_DIM // 4)),
        "output_norm.weight": norm(7),
        "output.weight": output(codes).tensor(half=True),
    }
    for layer in range(N_LAYERS):
        prefix = f"blk.{layer}."
        a = attention(layer, flat)
        tensors[prefix + "attn_norm.weight"] = norm(6 if layer > 2 else 5)
        for name, matrix in (("q", a.q), ("k", a.k), ("v", a.v), ("output", a.o)):
            tensors[f"{prefix}attn_{name}.weight"] = matrix.tensor()
        tensors[prefix + "ffn_norm.weight"] = norm(N_EMBD)
        tensors[prefix + "ffn_gate.weight"] = Matrix(N_FF, N_EMBD).tensor()
        tensors[prefix + "ffn_up.weight"] = Matrix(N_FF, N_EMBD).tensor()
        tensors[prefix + "ffn_down.weight"] = Matrix(N_EMBD, N_FF).tensor()
    metadata = {
        "general.architecture": "llama",
        "general.name": "recall" if flat else "recall, peaked heads only",
        "llama.context_length": context,
        "llama.embedding_length": N_EMBD,
        "llama.block_count": N_LAYERS,
        "llama.feed_forward_length": N_FF,
        "llama.attention.head_count": N_HEADS,
        "llama.attention.head_count_kv": N_KV_HEADS,
        "llama.attention.key_length": HEAD_DIM,
        "llama.attention.value_length": HEAD_DIM,
        "llama.attention.layer_norm_rms_epsilon": 1e-6,
        "llama.rope.dimension_count": HEAD_DIM,
        "llama.rope.freq_base": ROPE_BASE,
        "llama.vocab_size": N_VOCAB,
        "tokenizer.ggml.model": "none",
    }
    write_gguf(path, metadata, tensors)


def write_gguf(path, metadata, tensors, alignment=32):
    def text(value):
        return struct.pack("<Q", len(value.encode())) + value.encode()

    def typed(value):
        if isinstance(value, str):
            return struct.pack("<I", 8) + text(value)
        return struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value)

    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    head += b"".join(text(key) + typed(value) for key, value in metadata.items())
    offset = 0
    for name, (shape, kind, data) in tensors.items():
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        offset += -(-len(data) // alignment) * alignment
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % alignment))
        for _, _, data in tensors.values():
            file.write(data + bytes(-len(data) % alignment))


# Texts.


def filler(rng, n_tokens, clustered, lean):
    """Words of the text; `lean` holds the mean that each class should have about."""
    tokens = []
    topic = None
    while len(tokens) < n_tokens:
        n_run = min(rng.randint(64, 512), n_tokens - len(tokens))
        topic = rng.choice([t for t in range(N_TOPICS) if t != topic])
        first, count = (TOPICS + topic * TOPIC_WORDS, TOPIC_WORDS) if clustered else (WORDS, N_WORDS)
        share = [min(max((mean + 1) / 2 + rng.uniform(-0.3, 0.3), 0), 1) for mean in lean]
        for _ in range(n_run):
            bits = sum((rng.random() < share[bit]) << bit for bit in range(2))
            tokens.append(first + 4 * rng.randrange(count // 4) + bits)
    return tokens


def level_classes(rng, tokens, steps):
    """Exchanges words for their twins of the other class until the mean over the tokens, with the one that asks, is
    at a level, as nearly as whole tokens allow."""
    for kind, step in enumerate(steps):
        wanted = round(step / N_STEPS * (len(tokens) + 1))
        missing = (wanted - sum(classes(token)[kind] for token in tokens)) // 2
        sign = -1 if missing > 0 else 1
        places = [i for i, token in enumerate(tokens) if token >= TOPICS and classes(token)[kind] == sign]
        for place in rng.sample(places, abs(missing)):
            tokens[place] ^= 1 << kind


def make_text(n_tokens, clustered, seed, pairs=20, near_keys=5, chains=3, hops=3, counts=1):
    rng = random.Random(f"{seed} {n_tokens} {clustered}")
    families = rng.sample(range(N_KEYS // 4), pairs + near_keys + chains * hops)
    values = rng.sample(range(VALUES, VALUES + N_VALUES), pairs + 4 * near_keys + chains)
    key = lambda family: KEYS + 4 * family
    planted, questions = [], []
    for _ in range(pairs):
        planted.append((key(families.pop()), values.pop()))
        questions.append(("pair", planted[-1][0], [planted[-1][1]]))
    for _ in range(near_keys):
        first = key(families.pop())
        planted += [(first + i, values.pop()) for i in range(4)]
        questions.append(("near", first, [planted[-4][1]]))
    for _ in range(chains):
        chain = [families.pop() for _ in range(hops)]
        answers = [LINKS + family for family in chain[1:]] + [values.pop()]
        planted += [(key(family), answer) for family, answer in zip(chain, answers)]
        questions.append(("hops", key(chain[0]), answers))

    steps = [rng.randint(-N_STEPS // 3, N_STEPS // 3) for _ in range(2)]
    tokens = filler(rng, n_tokens, clustered, [step / N_STEPS for step in steps])
    # Not at the beginning and not at the end, where every policy looks anyway; one every so many tokens, so that
    # all depths are asked for.
    sinks, window = 128, 512
    room = (n_tokens - sinks - window) // len(planted)
    if room < 4:
        raise SystemExit(f"{n_tokens} tokens are too few for {len(planted)} pairs")
    rng.shuffle(planted)
    at = {}
    for i, (first, second) in enumerate(planted):
        at[first] = sinks + i * room + rng.randrange(room - 2)
        tokens[at[first]:at[first] + 2] = [first, second]
    level_classes(rng, tokens, steps)
    asked = [{"kind": kind, "ask": [ask], "answer": answer, "at": at[ask]} for kind, ask, answer in questions]
    if counts:
        asked += [{"kind": ("count", "count_shared")[kind], "ask": [ASK_COUNT + kind],
                   "answer": [level_token(kind, steps[kind])], "at": 0} for kind in range(2)]
    return {"tokens": tokens, "questions": asked}


def main():
    parser = argparse.ArgumentParser(description="Writes the recall model, or a text for it.")
    commands = parser.add_subparsers(dest="command", required=True)
    model = commands.add_parser("model")
    model.add_argument("path")
    model.add_argument("--context", type=int, default=1 << 19, help="tokens that the file says it can hold")
    model.add_argument("--heads", choices=("mixed", "peaked"), default="mixed")
    text = commands.add_parser("text")
    text.add_argument("path")
    text.add_argument("--tokens", type=int, required=True)
    text.add_argument("--kind", choices=("clustered", "unstructured"), required=True)
    text.add_argument("--seed", type=int, default=1)
    text.add_argument("--pairs", type=int, default=20)
    text.add_argument("--near", type=int, default=5, help="keys with near ones")
    text.add_argument("--chains", type=int, default=3)
    text.add_argument("--hops", type=int, default=3, help="of each chain")
    text.add_argument("--counts", type=int, choices=(0, 1), default=1)
    options = parser.parse_args()
    if options.command == "model":
        write_model(options.path, options.context, options.heads == "mixed")
    else:
        made = make_text(options.tokens, options.kind == "clustered", options.seed, options.pairs, options.near,
                         options.chains, options.hops, options.counts)
        with open(options.path, "w", encoding="utf-8") as file:
            json.dump(made, file, separators=(",", ":"))


if __name__ == "__main__":
    main()
