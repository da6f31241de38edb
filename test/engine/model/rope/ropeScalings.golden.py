"""Inverse frequencies and attention factors of Hugging Face's transformers for every RoPE scaling it has.

pip install transformers torch; python ropeScalings.golden.py > ropeScalings.golden.json
"""

import json
from importlib.metadata import version

from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

HEAD_DIM = 32
SHORT = [1 + i / 16 for i in range(HEAD_DIM // 2)]
LONG = [1 + i / 2 for i in range(HEAD_DIM // 2)]


def case(scaling, trained, context, theta=10000.0, longest=None, **parameters):
    """A model trained on `trained` tokens, read with `context` tokens."""
    rope = {"rope_type": scaling, "rope_theta": theta, **parameters}
    if scaling != "dynamic" and scaling != "linear":
        rope["original_max_position_embeddings"] = trained
    config = LlamaConfig(
        hidden_size=2 * HEAD_DIM,
        num_attention_heads=2,
        head_dim=HEAD_DIM,
        max_position_embeddings=longest or trained,
        rope_parameters=rope,
    )
    frequencies, attention_factor = ROPE_INIT_FUNCTIONS[scaling](config, device="cpu", seq_len=context)
    return {
        "scaling": scaling,
        "trained": trained,
        "context": context,
        "theta": theta,
        **({"longest": longest} if longest else {}),
        **parameters,
        "invFreq": [float(f"{value:.8g}") for value in frequencies.tolist()],
        "attentionFactor": attention_factor,
    }


cases = [
    case("linear", 2048, 8192, factor=4.0),
    case("dynamic", 2048, 1024, factor=1.0),
    case("dynamic", 2048, 8192, factor=1.0),
    case("dynamic", 4096, 10000, factor=2.0, theta=500000.0),
    case("yarn", 4096, 65536, factor=16.0),
    case("yarn", 32768, 131072, factor=4.0, theta=1000000.0),
    case("yarn", 2048, 8192, factor=4.0, beta_fast=16.0, beta_slow=2.0),
    case("llama3", 8192, 65536, factor=8.0, theta=500000.0, low_freq_factor=1.0, high_freq_factor=4.0),
    case("longrope", 4096, 4096, longest=131072, factor=32.0, short_factor=SHORT, long_factor=LONG),
    case("longrope", 4096, 131072, longest=131072, factor=32.0, short_factor=SHORT, long_factor=LONG),
]
made_with = {name: version(name) for name in ("transformers", "torch")}
print(json.dumps({"madeWith": made_with, "dimension": HEAD_DIM, "cases": cases}, separators=(",", ":")))
