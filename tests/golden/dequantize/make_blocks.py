"""Writes blocks.txt: for every weight type a few random file blocks and the values that the PyPI package `gguf` (an
independent implementation of the formats) dequantises them to. One line each: type, bytes in hex, the values'
float32 bits in hex.

    python tests/golden/dequantize/make_blocks.py > tests/golden/dequantize/blocks.txt
"""

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

# Byte offsets of the half-precision scales in a block: ordinary numbers there, any bytes elsewhere.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
N_BLOCKS = 2


def main():
    rng = np.random.default_rng(20240)
    for name in ["F32", "F16", "BF16"]:
        values = np.array([0.0, -0.0, 1.0, -2.5, 6e-8, -3e-5, 65504.0, 0.1], np.float32)
        if name == "F32":
            raw = values.view(np.uint8)
        elif name == "F16":
            raw = values.astype(np.float16).view(np.uint8)
            values = values.astype(np.float16).astype(np.float32)
        else:
            raw = (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
            values = dequantize(raw.reshape(1, -1), GGMLQuantizationType.BF16).reshape(-1)
        print(name.lower(), raw.tobytes().hex(), values.astype(np.float32).tobytes().hex())
    for name, offsets in SCALES.items():
        kind = GGMLQuantizationType[name]
        raw = rng.integers(0, 256, (N_BLOCKS, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
        for offset in offsets:
            raw[:, offset : offset + 2] = rng.standard_normal(N_BLOCKS).astype(np.float16).view(np.uint8).reshape(-1, 2)
        values = dequantize(raw, kind).astype(np.float32)
        print(name.lower(), raw.tobytes().hex(), values.tobytes().hex())


main()
