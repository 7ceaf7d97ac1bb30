"""Writes the goldens logits/*.json: `make_logits.py [--models DIR] [NAME ...]`; README.md describes the fields.

Random models run in float64, the real files (those found in DIR) in float32 and also through llama.cpp, whose distance
from the exact pass is stored beside it.
"""

import argparse
import json
import pathlib

import numpy as np

import random_models
from figures import TOP, distance, mean_nll, row_positions
from forward import Model

FOLDER = random_models.FOLDER
REAL = {"smollm2_135m_q4_1": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3_270m_q4_k_m": "gemma-3-270m-q4_k_m.gguf"}
REAL_TOKENS = 1024
TEXT = pathlib.Path("/usr/share/common-licenses/GPL-3")


def golden(model_file, tokens, rows):
    result = {"model": model_file, "tokens": tokens, "mean_nll": 0.0, "best": [], "next_logprob": [], "rows": []}
    wanted = set(row_positions(len(tokens)))
    for position, row in enumerate(rows):
        best = np.argsort(-row, kind="stable")[:TOP]
        result["best"].append(int(best[0]))
        if position + 1 < len(tokens):
            result["next_logprob"].append(round(float(row[tokens[position + 1]]), 5))
        if position in wanted:
            logprob = [round(float(x), 5) for x in row[best]]
            result["rows"].append({"position": position, "top": best.tolist(), "logprob": logprob})
    result["mean_nll"] = mean_nll(rows, tokens)
    return result


def write(name, result):
    # One field a line keeps differences readable without a line for each number.
    lines = [f"  {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in result.items()]
    (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def write_random(name):
    path = FOLDER / f"{name}.gguf"
    tokens = random_models.tokens_of(name)
    rows = Model(path, np.float64).log_probabilities(tokens)
    result = golden(path.name, tokens, rows)
    if random_models.is_quantised(name):
        rounded = Model(path, np.float64, eight_bit_activations=True)
        result["rounded"] = distance(rows, rounded.log_probabilities(tokens), tokens)
    write(name, result)


def write_real(name, path):
    import peer

    tokens = peer.tokenize(path, TEXT.read_text())[:REAL_TOKENS]
    rows = Model(path, np.float32).log_probabilities(tokens)
    result = golden(path.name, tokens, rows)
    for flash, key in ((False, "peer"), (True, "peer_flash")):
        result[key] = distance(rows, peer.log_probabilities(path, tokens, flash=flash), tokens)
    result["rounded"] = distance(rows, Model(path, np.float32, True).log_probability_rows(tokens), tokens)
    write(name, result)
    print(name, {key: result[key] for key in ("mean_nll", "peer", "peer_flash", "rounded")})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=pathlib.Path, help="folder of the real model files")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    names = arguments.names or [*random_models.MODELS, *REAL]
    for name in names:
        if name in random_models.MODELS:
            write_random(name)
        elif arguments.models and (arguments.models / REAL[name]).exists():
            write_real(name, arguments.models / REAL[name])


if __name__ == "__main__":
    main()
