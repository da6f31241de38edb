"""RoPE frequencies beyond the trained context. Each method maps (config, factor) to (inverse frequencies, attention factor)."""

import math
from collections.abc import Callable

from torch import Tensor

from model import Config, inverse_frequencies

# YaRN turns pairs with more than this many rotations within the trained context as before, and interpolates those with fewer than one.
YARN_FAST, YARN_SLOW = 32, 1

Method = Callable[[Config, float], tuple[Tensor, float]]


def plain(c: Config, factor: float) -> tuple[Tensor, float]:
    return inverse_frequencies(c.head_dim, c.theta), 1.0


def position_interpolation(c: Config, factor: float) -> tuple[Tensor, float]:
    """All positions squeezed (Chen et al., arXiv:2306.15595)."""
    return inverse_frequencies(c.head_dim, c.theta) / factor, 1.0


def ntk(c: Config, factor: float) -> tuple[Tensor, float]:
    """NTK-aware base: the lowest frequency is stretched by the factor, the highest stays."""
    return inverse_frequencies(c.head_dim, c.theta * factor ** (c.head_dim / (c.head_dim - 2))), 1.0


def dynamic_ntk(c: Config, factor: float) -> tuple[Tensor, float]:
    """The NTK base for a row of `factor` times the trained length, in the form that allows for the length still growing."""
    return ntk(c, factor * factor - (factor - 1))


def yarn(c: Config, factor: float) -> tuple[Tensor, float]:
    """NTK by parts with scaled logits (Peng et al., arXiv:2309.00071)."""
    frequencies = inverse_frequencies(c.head_dim, c.theta)
    rotations = c.context * frequencies / (2 * math.pi)
    kept = ((rotations - YARN_SLOW) / (YARN_FAST - YARN_SLOW)).clamp(0, 1)
    return frequencies * (kept + (1 - kept) / factor), 0.1 * math.log(factor) + 1.0


METHODS: dict[str, Method] = {
    "no scaling": plain,
    "PI": position_interpolation,
    "NTK": ntk,
    "dynamic NTK": dynamic_ntk,
    "YaRN": yarn,
}
