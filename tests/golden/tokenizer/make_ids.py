"""Writes texts.json, ids.json and the two small vocabularies. usage: make_ids.py --models FOLDER

Every golden is what two implementations agree on; the script fails where they do not, unless the disagreement is
one of those that README.md explains.
"""

import argparse
import hashlib
import io
import json
import pathlib

import sentencepiece
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

import references as ref
import texts

HERE = pathlib.Path(__file__).parent
LICENCE = pathlib.Path("/usr/share/common-licenses/GPL-3")


def agreed(name, all_texts, first, second):
    ids = []
    for text in all_texts:
        one, two = first(text), second(text)
        if one != two:
            raise SystemExit(f"{name}: {text!r}\n  {one}\n  {two}")
        ids.append(one)
    return ids


def fingerprint(ids):
    """Count and FNV-1a (64 bits) over the ids as little-endian 32-bit words."""
    value = 0xCBF29CE484222325
    for byte in b"".join(i.to_bytes(4, "little") for i in ids):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return [len(ids), f"{value:016x}"]


def byte_level(name, vocabulary, llama=ref.llama_cpp_vocabulary):
    out = {}
    for pre in ref.SPLITS:
        one, two = ref.hugging_face(vocabulary, pre, False), llama(vocabulary, pre, False)
        special = ref.hugging_face(vocabulary, pre, True), llama(vocabulary, pre, True)
        out[pre] = {
            "plain": agreed(f"{name} {pre}", texts.PLAIN, one, two),
            "special": agreed(f"{name} {pre} special", texts.SPECIAL, *special),
            "licence": fingerprint(agreed(name, [LICENCE.read_text()], one, two)[0]),
        }
    return out


def sentence_piece(name, vocabulary, chosen=lambda text: None):
    """chosen(text): "one" (SentencePiece) or "two" (llama.cpp) where they are known to differ, see README.md."""
    one = ref.sentence_piece(vocabulary)
    two = ref.llama_cpp_vocabulary(vocabulary, "default", False)
    special = ref.llama_cpp_vocabulary(vocabulary, "default", True)
    by_choice = {"one": one, "two": two}
    plain = [by_choice[chosen(t)](t) if chosen(t) else agreed(name, [t], one, two)[0] for t in texts.PLAIN]
    return {
        "plain": plain,
        "special": [special(t) for t in texts.SPECIAL],
        "licence": fingerprint(agreed(name, [LICENCE.read_text()], one, two)[0]),
    }


def gemma_choice(text):
    return "one" if "</s>" in text else "two" if "\u2581" in text else None


CONTROL_NAMES = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
USER_NAMES = ["<b>", "<h1>", "  \n\n", "\U0001f642"]


def small_byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=1100, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(texts.PLAIN * 3 + [LICENCE.read_text()[:6000]], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = CONTROL_NAMES + sorted(model["vocab"], key=model["vocab"].get) + USER_NAMES
    types = [ref.CONTROL] * 3 + [ref.NORMAL] * len(model["vocab"]) + [ref.USER_DEFINED] * len(USER_NAMES)
    merges = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
    # The last words have no merges, as in vocabularies whose whole words are taken as they are.
    return ref.Vocabulary("gpt2", tokens, types, merges=merges[:-60], bos=1, eos=2)


def small_sentence_piece(user_names):
    written = io.BytesIO()
    lines = [line for text in texts.PLAIN * 3 + [LICENCE.read_text()[:6000]] for line in text.split("\n")]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for line in lines if line and "\0" not in line), model_writer=written,
        model_type="bpe", vocab_size=1400, byte_fallback=True, character_coverage=0.98,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False,
        user_defined_symbols=user_names, minloglevel=2)
    model = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    n = model.vocab_size()
    kinds = [(model.is_unknown, ref.UNKNOWN), (model.is_control, ref.CONTROL), (model.is_byte, ref.BYTE)]
    tokens = [model.id_to_piece(i) for i in range(n)]
    types = [next((t for test, t in kinds if test(i)), ref.NORMAL) for i in range(n)]
    for i, token in enumerate(tokens):
        if token in user_names:
            types[i] = ref.USER_DEFINED
    return ref.Vocabulary("llama", tokens, types, [model.get_score(i) for i in range(n)], bos=1, eos=2, unknown=0)


def save(name, value):
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    (HERE / name).write_text(text.replace("],[", "],\n[") + "\n")


def as_json(vocabulary):
    return {k: v for k, v in vars(vocabulary).items() if v != []}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=pathlib.Path, required=True)
    models_folder = parser.parse_args().models

    smollm2 = ref.Vocabulary.from_gguf(models_folder / "SmolLM2-135M-Instruct.Q4_1.gguf")
    gemma = ref.Vocabulary.from_gguf(models_folder / "gemma-3-270m-q4_k_m.gguf")
    bpe = small_byte_level()
    pieces = small_sentence_piece(["<b>", "<h1>", "\t\t"])
    prefixed = small_sentence_piece([])
    prefixed.add_space_prefix = True

    save("texts.json", {"plain": texts.PLAIN, "special": texts.SPECIAL})
    save("bpe.json", as_json(bpe))
    save("pieces.json", as_json(pieces))
    save("pieces_prefixed.json", as_json(prefixed))
    save("ids.json", {
        "licence_sha256": hashlib.sha256(LICENCE.read_bytes()).hexdigest(),
        "smollm2": byte_level("smollm2", smollm2),
        "gemma": {"default": sentence_piece("gemma", gemma, chosen=gemma_choice)},
        "bpe": byte_level("bpe", bpe),
        "pieces": {"default": sentence_piece("pieces", pieces)},
        "pieces_prefixed": {"default": sentence_piece("prefixed", prefixed)},
    })


if __name__ == "__main__":
    main()
