"""RoPE frequencies beyond the trained context. Each method maps (config, factor) to (inverse frequencies, attention factor)."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from model import Config, inverse_frequencies, yarn

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


METHODS: dict[str, Method] = {
    "no scaling": plain,
    "PI": position_interpolation,
    "NTK": ntk,
    "dynamic NTK": dynamic_ntk,
    "YaRN": lambda c, factor: yarn(c, c.context, factor),
}
