"""Scores of kvpress (NVIDIA's collection of cache policies) for one layer's random queries, keys and values.

pip install kvpress; python cachePolicies.golden.py > cachePolicies.golden.json
"""

import json
from importlib.metadata import version
from types import SimpleNamespace

import torch
from kvpress import (
    ExpectedAttentionPress,
    KeyDiffPress,
    KnormPress,
    ObservedAttentionPress,
    SnapKVPress,
    StreamingLLMPress,
    TOVAPress,
)
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, eager_attention_forward

TOKENS, NUM_HEADS, NUM_KV_HEADS, HEAD_DIM = 80, 4, 2, 8
ROPE_THETA = 100.0
KEPT = 0.4

torch.manual_seed(1)


def rows(heads):
    """[1, heads, TOKENS, HEAD_DIM], in sixteenths, which JSON holds exactly as whole numbers."""
    return torch.round(torch.randn(1, heads, TOKENS, HEAD_DIM) * 16) / 16


def sixteenths(tensor):
    """[tokens, heads, headDim], flat."""
    return [round(16 * value) for value in tensor[0].transpose(0, 1).flatten().tolist()]


queries, keys, values = rows(NUM_HEADS), rows(NUM_KV_HEADS), rows(NUM_KV_HEADS)
config = LlamaConfig(
    hidden_size=NUM_HEADS * HEAD_DIM,
    num_attention_heads=NUM_HEADS,
    num_key_value_heads=NUM_KV_HEADS,
    head_dim=HEAD_DIM,
    rope_theta=ROPE_THETA,
    rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
)
# A layer whose hidden states are its queries.
layer = SimpleNamespace(
    config=config,
    head_dim=HEAD_DIM,
    q_proj=lambda hidden: hidden,
    rotary_emb=LlamaRotaryEmbedding(config),
    num_key_value_groups=NUM_HEADS // NUM_KV_HEADS,
    training=False,
)
hidden = queries.transpose(1, 2).reshape(1, TOKENS, NUM_HEADS * HEAD_DIM)
# Queries are taken as attention has them: no rotation.
unturned = {"position_embeddings": (torch.ones(1, TOKENS, HEAD_DIM), torch.zeros(1, TOKENS, HEAD_DIM))}
mask = torch.full((TOKENS, TOKENS), float("-inf")).triu(1)[None, None]
_, attention = eager_attention_forward(layer, queries, keys, values, mask, HEAD_DIM**-0.5)


def scores(press, attentions=None):
    found = press.score(layer, hidden, keys, values, attentions, unturned)
    return [[float(f"{score:.7g}") for score in head] for head in found[0].tolist()]


streaming = torch.tensor(scores(StreamingLLMPress(compression_ratio=1 - KEPT, n_sink=4)))
print(
    json.dumps(
        {
            "madeWith": {name: version(name) for name in ("kvpress", "transformers", "torch")},
            "shape": {"tokens": TOKENS, "numHeads": NUM_HEADS, "numKvHeads": NUM_KV_HEADS, "headDim": HEAD_DIM},
            "ropeTheta": ROPE_THETA,
            "sixteenths": {"queries": sixteenths(queries), "keys": sixteenths(keys), "values": sixteenths(values)},
            "streamingLlmKept": torch.topk(streaming[0], int(TOKENS * KEPT)).indices.sort().values.tolist(),
            "scores": {
                "snapkv": scores(SnapKVPress()),
                "tova": scores(TOVAPress()),
                "key-diff": scores(KeyDiffPress()),
                "key-norm": scores(KnormPress()),
                "observed-attention": scores(ObservedAttentionPress(), attention),
                "expected-attention": scores(ExpectedAttentionPress()),
            },
        },
        separators=(",", ":"),
    )
)
