"""Batches of questions for the span pointer, made by processes of their own while it trains."""

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from passages import Question
from pointer_questions import Group, QuestionMaker
from pointer_text import FLAGS, HEADER, QUESTION, Texts, answer_places, tokens_behind, word_flags
from rows import Encoder

READY_BATCHES, POOL, LONGEST_PASSAGE, LONGEST_QUESTION = 8, 6, 640, 64


@dataclass
class PointerBatch:
    """`passage` [questions]: which of the passages a question is about; flags [questions, longest, FLAGS] of the tokens of both;
    `places` of a question's answers, none where the passage does not say."""

    passages: Texts
    questions: Texts
    passage: np.ndarray
    flags: np.ndarray
    question_flags: np.ndarray
    places: list[list[tuple[int, int]]]


@dataclass
class Prepared:
    """A group as tokens; `offsets` are characters of its text, `questions` those that are asked."""

    text: str
    offsets: np.ndarray
    questions: list[Question]
    ids: list[int]
    first: int
    asked: list[tuple[list[int], int, np.ndarray, np.ndarray, list[tuple[int, int]]]]


def prepare(encoder: Encoder, group: Group) -> Prepared | None:
    """Tokens, flags and places; None for a passage that is too long. Answers that do not stand in the text leave their question out."""
    ids, first, offsets = tokens_behind(encoder, HEADER, group.text)
    if len(ids) > LONGEST_PASSAGE:
        return None
    asked, kept = [], []
    for question in group.questions:
        text = " ".join(question.text.split())
        places = answer_places(group.text, offsets, question.answers)
        question_ids, question_first, question_offsets = tokens_behind(encoder, QUESTION, text)
        if (question.answers and not places) or len(question_ids) > LONGEST_QUESTION or not text:
            continue
        flags = word_flags(group.text, offsets, text).astype(np.uint8)
        back = word_flags(text, question_offsets, group.text).astype(np.uint8)
        asked.append((question_ids, question_first, flags, back, places))
        kept.append(question)
    return Prepared(group.text, offsets, kept, ids, first, asked) if asked else None


def batch_of(groups: list[Prepared]) -> PointerBatch:
    asked = [(number, *one) for number, group in enumerate(groups) for one in group.asked]
    return PointerBatch(
        texts_of([(g.ids, g.first) for g in groups]),
        texts_of([(ids, first) for _, ids, first, *_ in asked]),
        np.array([number for number, *_ in asked]),
        padded([flags for _, _, _, flags, _, _ in asked]),
        padded([back for _, _, _, _, back, _ in asked]),
        [places for *_, places in asked],
    )


def texts_of(texts: list[tuple[list[int], int]]) -> Texts:
    ids = np.zeros((len(texts), max(len(own) for own, _ in texts)), np.int64)
    for row, (own, _) in enumerate(texts):
        ids[row, : len(own)] = own
    return Texts(ids, np.array([first for _, first in texts]), np.array([len(own) for own, _ in texts]))


def padded(arrays: list[np.ndarray]) -> np.ndarray:
    out = np.zeros((len(arrays), max(map(len, arrays)), FLAGS), np.uint8)
    for row, array in enumerate(arrays):
        out[row, : len(array)] = array
    return out


def batches_of(groups: list[Prepared], size: int) -> list[PointerBatch]:
    """Batches of about `size` questions, over passages of similar length."""
    out: list[PointerBatch] = []
    part: list[Prepared] = []
    for group in sorted(groups, key=lambda g: len(g.ids)):
        part.append(group)
        if sum(len(g.asked) for g in part) >= size:
            out.append(batch_of(part))
            part = []
    return [*out, batch_of(part)] if part else out


class BatchStream:
    """Starts its processes when made, before anything uses a GPU. `mix` [2] is shared with them: the shares that QuestionMaker.group takes, as
    they are now."""

    def __init__(self, maker: QuestionMaker, tokenizer: str, size: int, workers: int):
        context = multiprocessing.get_context("fork")
        self.mix = context.Array("d", [0.5, 0.4])
        self.queue = context.Queue(READY_BATCHES)
        self.processes = [
            context.Process(target=self.work, args=(maker, tokenizer, size), daemon=True) for _ in range(workers)
        ]
        for process in self.processes:
            process.start()

    def work(self, maker: QuestionMaker, tokenizer: str, size: int) -> None:
        maker.rng.seed()
        self.queue.cancel_join_thread()
        encoder = Encoder(tokenizer)
        while True:
            groups: list[Prepared] = []
            while sum(len(g.asked) for g in groups) < size * POOL:
                group = maker.group(*self.mix)
                made = prepare(encoder, group) if group else None
                if made:
                    groups.append(made)
            ready = batches_of(groups, size)
            # The last one is what is left over, of the longest passages.
            ready = ready[:-1]
            random.shuffle(ready)
            for batch in ready:
                self.queue.put(batch)

    def batches(self) -> Iterator[PointerBatch]:
        while True:
            yield self.queue.get(timeout=120)

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
