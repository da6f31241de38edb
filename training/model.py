"""A small llama-architecture decoder: RMSNorm, SwiGLU, grouped-query attention, RoPE on interleaved pairs, tied output.

Everything maps one to one onto GGUF's `llama` architecture, so a checkpoint exports without any permutation.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels import WeightedLoss, cached_attention, causal_attention, shifted_sparse_attention

# YaRN turns pairs with more than this many rotations within the trained context as before, and interpolates those with fewer than one.
YARN_FAST, YARN_SLOW = 32, 1


@dataclass
class Config:
    """Shape of the decoder; `context` is the longest row it was trained on, `theta` the RoPE base. `interpolation` is what positions
    are divided by; `yarn` stretches a model trained on `original_context` tokens by YaRN instead."""

    vocab: int = 4096
    dim: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    hidden: int = 704
    context: int = 1024
    theta: float = 10000.0
    interpolation: float = 1.0
    yarn: float = 1.0
    original_context: int = 0
    eps: float = 1e-5

    def to_dict(self) -> dict:
        return asdict(self)


def inverse_frequencies(c: Config) -> Tensor:
    """[headDim / 2] angles a position turns each pair by, before YaRN."""
    return c.theta ** (-torch.arange(0, c.head_dim, 2, dtype=torch.float64) / c.head_dim) / c.interpolation


def yarn(c: Config, context: int, factor: float) -> tuple[Tensor, float]:
    """(inverse frequencies, attention factor): NTK by parts with scaled logits (Peng et al., arXiv:2309.00071), the ramp laid over the
    pairs as llama.cpp does, for a model trained on `context` tokens."""
    frequencies = inverse_frequencies(c)

    def pair_of(rotations: float) -> float:
        return c.head_dim * math.log(context / (2 * math.pi * rotations)) / (2 * math.log(c.theta))

    low, high = max(0, math.floor(pair_of(YARN_FAST))), min(c.head_dim - 1, math.ceil(pair_of(YARN_SLOW)))
    kept = 1 - ((torch.arange(c.head_dim // 2) - low) / max(0.001, high - low)).clamp(0, 1)
    return frequencies * (kept + (1 - kept) / factor), 0.1 * math.log(factor) + 1.0


def pair_rotation(head_dim: int) -> Tensor:
    """The matrix R with (x @ R)[2i] = -x[2i+1] and (x @ R)[2i+1] = x[2i]: a quarter turn of every pair."""
    r = torch.zeros(head_dim, head_dim)
    even = torch.arange(0, head_dim, 2)
    r[even + 1, even] = -1.0
    r[even, even + 1] = 1.0
    return r


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + self.eps)
        return (x * scale.to(x.dtype)) * self.weight.to(x.dtype)


class Block(nn.Module):
    """One layer. `rope` is (cos, sin, quarter turn); `cache` is [] or [keys, values] of [batch, kvHeads, past, headDim]."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        # Groups of shifted sparse attention while training; 1: full attention.
        self.groups = 1
        q, kv = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.attn_norm = RMSNorm(config.dim, config.eps)
        self.wq = nn.Linear(config.dim, q, bias=False)
        self.wk = nn.Linear(config.dim, kv, bias=False)
        self.wv = nn.Linear(config.dim, kv, bias=False)
        self.wo = nn.Linear(q, config.dim, bias=False)
        self.ffn_norm = RMSNorm(config.dim, config.eps)
        self.w_gate = nn.Linear(config.dim, config.hidden, bias=False)
        self.w_up = nn.Linear(config.dim, config.hidden, bias=False)
        self.w_down = nn.Linear(config.hidden, config.dim, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor, Tensor], cache: list[Tensor] | None = None) -> Tensor:
        x = x + self.attend(self.attn_norm(x), rope, cache)
        h = self.ffn_norm(x)
        gate, up = linear(h, self.w_gate), linear(h, self.w_up)
        return x + linear(F.silu(gate) * up, self.w_down)

    def attend(self, h: Tensor, rope: tuple[Tensor, Tensor, Tensor], cache: list[Tensor] | None) -> Tensor:
        c = self.config
        batch, length, _ = h.shape
        cos, sin, turn = rope
        cos, sin = cos[:, None, :], sin[:, None, :]
        q = linear(h, self.wq).view(batch, length, c.heads, c.head_dim)
        k = linear(h, self.wk).view(batch, length, c.kv_heads, c.head_dim)
        v = linear(h, self.wv).view(batch, length, c.kv_heads, c.head_dim).transpose(1, 2)
        q = (q * cos + (q @ turn) * sin).transpose(1, 2)
        k = (k * cos + (k @ turn) * sin).transpose(1, 2)
        if cache is None:
            y = shifted_sparse_attention(q, k, v, self.groups) if self.groups > 1 else causal_attention(q, k, v)
        else:
            if cache:
                k, v = torch.cat((cache[0], k), dim=2), torch.cat((cache[1], v), dim=2)
            cache[:] = [k, v]
            y = cached_attention(q, k, v)
        return linear(y.transpose(1, 2).reshape(batch, length, -1), self.wo)


def linear(x: Tensor, layer: nn.Linear) -> Tensor:
    return F.linear(x, layer.weight.to(x.dtype))


class Model(nn.Module):
    """Weights are kept in float32; `compute` is the type everything but norms' scales and losses is computed in."""

    def __init__(self, config: Config, compute: torch.dtype = torch.float32):
        super().__init__()
        self.config, self.compute = config, compute
        self.embed = nn.Embedding(config.vocab, config.dim)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.dim, config.eps)
        self.frequencies, self.attention_factor = inverse_frequencies(config), 1.0
        if config.yarn != 1:
            self.frequencies, self.attention_factor = yarn(config, config.original_context, config.yarn)
        self.register_buffer("turn", pair_rotation(config.head_dim), persistent=False)
        self._rope: tuple[Tensor, Tensor, Tensor] | None = None
        for name, p in self.named_parameters():
            if p.dim() == 2:
                std = 0.02 if "embed" in name else 1.0 / math.sqrt(p.shape[1])
                if name.endswith(("wo.weight", "w_down.weight")):
                    std /= math.sqrt(2 * config.layers)
                nn.init.normal_(p, std=std)

    def set_rope(self, frequencies: Tensor, attention_factor: float = 1.0) -> None:
        """Replaces the RoPE frequencies (context extension); the factor scales queries and keys (YaRN)."""
        self.frequencies, self.attention_factor, self._rope = frequencies, attention_factor, None

    def rope(self, start: int, length: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        if self._rope is None or self._rope[0].shape[0] < start + length or self._rope[0].device != device:
            positions = torch.arange(max(self.config.context, start + length), dtype=torch.float64)
            angles = (positions[:, None] * self.frequencies[None, :]).repeat_interleave(2, dim=1)
            cos, sin = angles.cos() * self.attention_factor, angles.sin() * self.attention_factor
            move = {"device": device, "dtype": self.compute}
            self._rope = (cos.to(**move), sin.to(**move), self.turn.to(**move))
        cos, sin, turn = self._rope
        return cos[start : start + length], sin[start : start + length], turn

    def hidden(self, tokens: Tensor, caches: list[list[Tensor]] | None = None) -> Tensor:
        """[batch, length] ids to [batch, length, dim] states after the last norm."""
        start = caches[0][0].shape[2] if caches and caches[0] else 0
        x = F.embedding(tokens, self.embed.weight).to(self.compute)
        rope = self.rope(start, tokens.shape[1], tokens.device)
        for i, block in enumerate(self.blocks):
            x = block(x, rope, caches[i] if caches is not None else None)
        return self.norm(x)

    def forward(self, tokens: Tensor, caches: list[list[Tensor]] | None = None) -> Tensor:
        return F.linear(self.hidden(tokens, caches), self.embed.weight.to(self.compute))

    def loss(self, tokens: Tensor, targets: Tensor, weights: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """(weighted sum of losses, loss at each predicted position); `index` [n] are those of the flattened tokens, `weights` [n] theirs."""
        h = self.hidden(tokens).reshape(-1, self.config.dim)
        return WeightedLoss.apply(h[index], self.embed.weight.to(self.compute), targets.reshape(-1)[index], weights)

    def parameters_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    def flops_per_token(self, length: int, predicted: float) -> float:
        """Forward and backward, matrix products only; `predicted` is the share of tokens that reach the output matrix."""
        c = self.config
        matrices = sum(p.numel() for n, p in self.named_parameters() if p.dim() == 2 and "embed" not in n)
        attention = 2 * c.layers * c.heads * c.head_dim * length / 2
        return 6 * (matrices + attention + predicted * c.vocab * c.dim)
