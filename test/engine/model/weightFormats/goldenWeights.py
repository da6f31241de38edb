"""Write goldenWeights.json: blocks of every weight format and what the gguf package decodes them to.

    pip install gguf numpy && python goldenWeights.py

`blocks` is random bytes with finite scales, `weights` their values; `source` and `quantized` are a row of numbers
and its encoding, for the formats the package can encode. All arrays are little-endian hex; numbers are float32.
"""

import json
import pathlib

import numpy as np
from gguf import GGMLQuantizationType, quants

# Byte offsets of the halves in a block, whose random bits could be infinite or not a number.
HALVES = {
    "F16": [0], "BF16": [], "F32": [],
    "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
ENCODED = ["F16", "BF16", "F32", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]


def blocks_of(name, rng):
    block_size, block_bytes = quants.GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    if block_size == 1:
        numbers = np.concatenate([
            rng.normal(size=12), [0, -0.0, 1e-7, -6e-8, 65504, 1.0009765625, 3.0e-5, 2049],
        ]).astype(np.float32)
        return quants.quantize(numbers, GGMLQuantizationType[name]).view(np.uint8)
    count = max(1, 64 // block_size)
    blocks = rng.integers(0, 256, (count, block_bytes), dtype=np.uint8)
    for offset in HALVES[name]:
        blocks[:, offset:offset + 2] = rng.normal(size=(count, 1)).astype(np.float16).view(np.uint8)
    return blocks.reshape(-1)


def main():
    rng = np.random.default_rng(7)
    golden = {}
    for name in HALVES:
        kind = GGMLQuantizationType[name]
        blocks = blocks_of(name, rng)
        entry = {
            "blocks": blocks.tobytes().hex(),
            "weights": quants.dequantize(blocks, kind).astype(np.float32).tobytes().hex(),
        }
        if name in ENCODED:
            source = (rng.normal(size=96) * 0.1).astype(np.float32)
            source[32:64] = 0
            entry["source"] = source.tobytes().hex()
            entry["quantized"] = quants.quantize(source, kind).tobytes().hex()
        golden[name] = entry
    path = pathlib.Path(__file__).with_name("goldenWeights.json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
