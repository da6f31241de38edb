"""Rows made while training runs, by processes of their own: on a machine with many cores no row is ever read twice.

A recipe is a JSON list of stages, each {"share", "context", "mix", "refusals"}: how much of the run it lasts, and its rows as data.py
takes them. Which rows are made depends on how fast each process is, so such a run resumes where it stopped but cannot be repeated exactly.
"""

import json
import multiprocessing
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from batches import Batch
from corpus import load_documents, load_human, load_squad
from examples import Maker
from rows import Encoder, fill_row
from thesaurus import Thesaurus

READY_BATCHES = 96


@dataclass
class Stage:
    """One length of rows and their mix; `share` of the whole run."""

    share: float
    context: int
    mix: dict[str, float]
    refusals: float


def read_recipe(path: str) -> list[Stage]:
    """The stages of a recipe; their shares must sum to 1."""
    stages = [Stage(**stage) for stage in json.loads(Path(path).read_text(encoding="utf-8"))]
    total = sum(stage.share for stage in stages)
    if abs(total - 1) > 1e-6:
        raise SystemExit(f"{path}: the shares of its stages sum to {total:g}; they must sum to 1")
    return stages


class RowStream:
    """Starts its processes when made, before anything uses a GPU: they share the texts with this one by copy on write."""

    def __init__(
        self,
        recipe: list[Stage],
        corpus: list[str],
        squad: str,
        tokenizer: str,
        batch_tokens: int,
        workers: int,
        seed: int,
        thesaurus: str | None = None,
    ):
        self.recipe = recipe
        train, dev = load_squad(squad)
        words = Thesaurus.read(thesaurus) if thesaurus else None
        maker = Maker(load_documents(corpus, None, seed), train, load_human(corpus, dev), seed, 0.0, words)
        context = multiprocessing.get_context("fork")
        self.stage = context.Value("i", 0)
        self.queues = [context.Queue(READY_BATCHES) for _ in recipe]
        self.processes = [
            context.Process(target=self.work, args=(maker, tokenizer, batch_tokens), daemon=True)
            for _ in range(workers)
        ]
        for process in self.processes:
            process.start()

    def work(self, maker: Maker, tokenizer: str, batch_tokens: int) -> None:
        """Fills the queue of the present stage, then that of the next."""
        maker.rng.seed()
        for waiting in self.queues:
            # An error must end this process, rows that nobody has taken yet or not.
            waiting.cancel_join_thread()
        encoder = Encoder(tokenizer)
        while True:
            now = self.stage.value
            wanted = [i for i in range(now, min(now + 2, len(self.recipe))) if not self.queues[i].full()]
            if not wanted:
                time.sleep(0.05)
                continue
            stage = self.recipe[wanted[0]]
            maker.refusal_share = stage.refusals
            rows = [
                fill_row(maker, encoder, stage.mix, stage.context + 1, dict.fromkeys(stage.mix, 0))
                for _ in range(max(1, batch_tokens // stage.context))
            ]
            made = np.array([row[0] for row in rows], np.uint16), np.array([row[1] for row in rows], np.uint8)
            try:
                self.queues[wanted[0]].put(made, timeout=2)
            except queue.Full:
                continue

    def batches(self, progress: Callable[[], float]) -> Iterator[Batch]:
        """Batches of the stage that the run's progress (0 to 1) has reached."""
        ends = np.cumsum([stage.share for stage in self.recipe])
        while True:
            now = min(int(np.searchsorted(ends, progress(), side="right")), len(self.recipe) - 1)
            self.stage.value = now
            try:
                tokens, classes = self.queues[now].get(timeout=60)
            except queue.Empty:
                raise SystemExit(
                    f"no rows of stage {now + 1} within a minute; did a process of the row stream end?"
                ) from None
            pair = (torch.from_numpy(part.astype(np.int64)) for part in (tokens, classes))
            yield Batch(f"stage-{now + 1}", *pair, (0, 0))

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
