"""RoPE frequencies beyond the trained context. Each method maps (config, factor) to (inverse frequencies, attention factor)."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from model import Config, inverse_frequencies

# YaRN turns pairs with more than this many rotations within the trained context as before, and interpolates those with fewer than one.
YARN_FAST, YARN_SLOW = 32, 1

Method = Callable[[Config, float], tuple[Tensor, float]]


def plain(c: Config, factor: float) -> tuple[Tensor, float]:
    return inverse_frequencies(c), 1.0


def position_interpolation(c: Config, factor: float) -> tuple[Tensor, float]:
    """All positions squeezed (Chen et al., arXiv:2306.15595)."""
    return inverse_frequencies(c) / factor, 1.0


def ntk(c: Config, factor: float) -> tuple[Tensor, float]:
    """NTK-aware base: the lowest frequency is stretched by the factor, the highest stays."""
    return inverse_frequencies(replace(c, theta=c.theta * factor ** (c.head_dim / (c.head_dim - 2)))), 1.0


def dynamic_ntk(c: Config, factor: float) -> tuple[Tensor, float]:
    """The NTK base for a row of `factor` times the trained length, in the form that allows for the length still growing."""
    return ntk(c, factor * factor - (factor - 1))


def yarn(c: Config, factor: float) -> tuple[Tensor, float]:
    """NTK by parts with scaled logits (Peng et al., arXiv:2309.00071), the ramp laid over the pairs as llama.cpp does."""
    frequencies = inverse_frequencies(c)

    def pair_of(rotations: float) -> float:
        return c.head_dim * math.log(c.context / (2 * math.pi * rotations)) / (2 * math.log(c.theta))

    low, high = max(0, math.floor(pair_of(YARN_FAST))), min(c.head_dim - 1, math.ceil(pair_of(YARN_SLOW)))
    kept = 1 - ((torch.arange(c.head_dim // 2) - low) / max(0.001, high - low)).clamp(0, 1)
    return frequencies * (kept + (1 - kept) / factor), 0.1 * math.log(factor) + 1.0


METHODS: dict[str, Method] = {
    "no scaling": plain,
    "PI": position_interpolation,
    "NTK": ntk,
    "dynamic NTK": dynamic_ntk,
    "YaRN": yarn,
}
