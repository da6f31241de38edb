"""Training rows from shards (NAME.tokens.npy, NAME.classes.npy), in an order that depends on the seed alone, so a run resumes exactly."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass
class Batch:
    """tokens and classes: [rows, context + 1]; `following` is the cursor (shard, batch within it) of the next batch."""

    shard: str
    tokens: Tensor
    classes: Tensor
    following: tuple[int, int]


def shard_sizes(shards: list[str]) -> list[int]:
    """Tokens of each shard."""
    return [int(np.load(name + ".tokens.npy", mmap_mode="r").size) for name in shards]


def read_batches(
    shards: list[str], batch_tokens: int, seed: int, cursor: tuple[int, int], progress: Callable[[], float]
) -> Iterator[Batch]:
    """Every shard in the order given from the cursor on, its rows shuffled. A shard is left early once `progress` (the share of the
    run that is over) passes the share of it and those before: a run cut by the clock still reaches the last shards."""
    ends = np.cumsum(shard_sizes(shards)) / sum(shard_sizes(shards))
    for index in range(cursor[0], len(shards)):
        tokens = np.load(shards[index] + ".tokens.npy", mmap_mode="r")
        classes = np.load(shards[index] + ".classes.npy", mmap_mode="r")
        rows = max(1, batch_tokens // (tokens.shape[1] - 1))
        order = np.random.default_rng(seed).permutation(len(tokens))
        first = cursor[1] if index == cursor[0] else 0
        for number in range(first, len(order) // rows):
            if progress() > ends[index]:
                break
            pick = np.sort(order[number * rows : (number + 1) * rows])
            pair = (torch.from_numpy(part[pick].astype(np.int64)) for part in (tokens, classes))
            yield Batch(shards[index], *pair, (index, number + 1))


def loss_weights(classes: Tensor, table: Tensor, context_share: float, generator: torch.Generator) -> Tensor:
    """[rows, context] weights that sum to 1. Of the context tokens only a random share is predicted, weighted up in return."""
    weights = table[classes]
    if context_share < 1:
        drawn = torch.rand(classes.shape, generator=generator) < context_share
        weights = torch.where(classes == 1, weights * drawn / context_share, weights)
    return weights / weights.sum()
