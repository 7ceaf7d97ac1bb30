"""Checks forward.py against llama.cpp: the random models with a float32 KV, in which the float ones must agree.

The types with blocks differ by llama.cpp's 8-bit activations; `rounded` is what the same rounding costs in forward.py.
"""

import numpy as np

import peer
import random_models
from figures import distance
from forward import Model


def main():
    failed = []
    for name in random_models.MODELS:
        path = random_models.FOLDER / f"{name}.gguf"
        tokens = random_models.tokens_of(name)
        exact = Model(path, np.float64).log_probabilities(tokens)
        figures = distance(exact, peer.log_probabilities(path, tokens, exact_kv=True), tokens)
        if random_models.is_quantised(name):
            rounded = distance(exact, Model(path, np.float64, True).log_probabilities(tokens), tokens)
            right = figures["top_rms"] < 2 * rounded["top_rms"]
            print(name, figures, "rounded", rounded)
        else:
            # llama.cpp looks GELU up in a table of f16, and rounds activations before f16 and bf16 weights.
            tolerance = {"gemma3": 2e-2, "type_f16": 5e-2, "type_bf16": 5e-1}.get(name.split("_rope")[0], 1e-4)
            right = figures["top_max"] < tolerance
            print(name, figures)
        if not right:
            failed.append(name)
    if failed:
        raise SystemExit(f"too far apart: {failed}")


if __name__ == "__main__":
    main()
