"""Examples to training rows: token ids and the class of every token, packed to one length."""

import random
from dataclasses import dataclass

import numpy as np
import sentencepiece

from corpus import load_documents, load_human, load_squad
from examples import Example, Maker
from passages import NOT_IN_TEXT, render
from thesaurus import Thesaurus

PAD, CONTEXT, QUESTION, ANSWER, FIRST = range(5)
CLASS_NAMES = ("padding", "context", "question", "answer", "first")
BOS, EOS = 1, 2
CHARS_PER_TOKEN = 2.9
LONG_ROOM = 1500
FIRST_NORMAL_PIECE = 259
Row = tuple[list[int], list[int]]


class Encoder:
    """SentencePiece, with pieces of a text encoded one after another exactly as the whole text would be."""

    def __init__(self, model: str):
        self.sp = sentencepiece.SentencePieceProcessor(model_file=model)
        self.newline = self.sp.piece_to_id("<0x0A>")

    def encode(self, text: str) -> list[int]:
        """ids of a text that begins the prompt, or of ' ' + text in the middle of a line."""
        return self.sp.encode(text)

    def after_newline(self, text: str) -> list[int]:
        """ids of a text that follows a newline: no space prefix."""
        ids = self.sp.encode("\n" + text)
        return ids[ids.index(self.newline) + 1 :]

    def decode(self, ids: list[int]) -> str:
        return self.sp.decode(ids)


@dataclass
class Job:
    """Everything one worker needs."""

    corpus: list[str]
    squad: str
    tokenizer: str
    context: int
    tokens: float
    mix: dict[str, float]
    seed: int
    limit_chars: float | None
    refusals: float
    thesaurus: str | None = None


def encode_example(encoder: Encoder, example: Example, room: int) -> Row | None:
    """As many of the questions as fit; None when not even one does."""
    ids = [BOS, *encoder.encode(render(example.passages)), encoder.newline, encoder.newline]
    kinds = [CONTEXT] * len(ids)
    numbers = {id(p): i + 1 for i, p in enumerate(example.passages)}
    done = 0
    for asked in example.asked:
        q = encoder.after_newline(f"Question: {asked.question}\nAnswer:")
        answer = NOT_IN_TEXT if asked.passage is None else f"{asked.answer} [{numbers[id(asked.passage)]}]"
        a = [*encoder.encode(answer), EOS]
        separator = [encoder.newline] if done else []
        if len(ids) + len(separator) + len(q) + len(a) > room:
            break
        ids += separator + q + a
        kinds += [CONTEXT] * len(separator) + [QUESTION] * len(q) + [FIRST] + [ANSWER] * (len(a) - 1)
        done += 1
    return (ids, kinds) if done else None


def recall_row(rng: random.Random, vocab: int, newline: int, room: int) -> Row:
    """Random frequent pieces repeated, or key-value pairs asked for in another order: only looking back can predict them."""
    common = min(vocab, 1600)
    ids, kinds = [BOS], [PAD]
    room = min(room, rng.randint(60, 400))

    def draw(n: int) -> list[int]:
        return [rng.randrange(FIRST_NORMAL_PIECE, common) for _ in range(n)]

    if rng.random() < 0.5:
        period = draw(rng.randint(3, 20) if rng.random() < 0.8 else rng.randint(20, 80))
        while len(ids) < room:
            kinds += [PAD if len(ids) == 1 else QUESTION] * len(period)
            ids += period
    else:
        size = rng.choice([1, 1, 2, 3])
        pairs = [(draw(rng.randint(1, 2)), draw(size)) for _ in range(max(2, room // (2 * (size + 3))))]
        for last in (False, True):
            for key, value in pairs:
                ids += [*key, *value, newline]
                kinds += [PAD] * len(key) + [ANSWER if last else PAD] * len(value) + [PAD]
            rng.shuffle(pairs)
    return ids[:room], kinds[:room]


def copy_row(encoder: Encoder, text: str, rng: random.Random, room: int) -> Row:
    """A passage, then a part of it again."""
    piece = encoder.encode(text)[: room // 2 - 3]
    begin = rng.randrange(max(1, len(piece) // 2))
    ids = [BOS, *piece, encoder.newline, encoder.newline, *piece[begin:]]
    return ids, [CONTEXT] * (len(piece) + 3) + [QUESTION] * (len(piece) - begin)


def text_row(encoder: Encoder, text: str, room: int) -> Row:
    ids = [BOS, *encoder.encode(text)][:room]
    return ids, [CONTEXT] * len(ids)


def make_row(kind: str, maker: Maker, encoder: Encoder, room: int) -> Row | None:
    rng = maker.rng
    if kind == "lm":
        return text_row(encoder, maker.text(int(room * CHARS_PER_TOKEN * 1.5)), room)
    if kind == "recall":
        return recall_row(rng, encoder.sp.get_piece_size(), encoder.newline, room)
    if kind == "copy":
        return copy_row(encoder, rng.choice(maker.prose).text, rng, room)
    # Long rows hold a few long examples, and short ones: most questions are asked over a handful of passages.
    share = rng.uniform(0.4, 0.95) if room < LONG_ROOM or rng.random() < 0.5 else rng.uniform(0.08, 0.4)
    example = maker.example(kind, share * room * CHARS_PER_TOKEN)
    return encode_example(encoder, example, room) if example else None


def build_rows(job: Job) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """tokens (uint16) and classes (uint8) of shape [rows, context + 1], and how many examples of each kind."""
    encoder = Encoder(job.tokenizer)
    documents = load_documents(job.corpus, job.limit_chars, job.seed)
    train, dev = load_squad(job.squad)
    words = Thesaurus.read(job.thesaurus) if job.thesaurus else None
    maker = Maker(documents, train, load_human(job.corpus, dev), job.seed, job.refusals, words)
    width, counts = job.context + 1, dict.fromkeys(job.mix, 0)
    tokens = np.zeros((int(job.tokens // job.context), width), np.uint16)
    classes = np.zeros(tokens.shape, np.uint8)
    for r in range(len(tokens)):
        tokens[r], classes[r] = fill_row(maker, encoder, job.mix, width, counts)
    return tokens, classes, counts


def fill_row(maker: Maker, encoder: Encoder, mix: dict[str, float], width: int, counts: dict[str, int]) -> Row:
    """Examples of the kinds of `mix` one after another, then text to the row's end; counts what it made in `counts`."""
    kinds, weights = zip(*mix.items(), strict=True)
    ids: list[int] = []
    classes: list[int] = []
    misses = 0
    while width - len(ids) > 90 and misses < 6:
        kind = maker.rng.choices(kinds, weights)[0]
        made = make_row(kind, maker, encoder, width - len(ids))
        if made is None:
            misses += 1
            continue
        counts[kind] += 1
        ids += made[0]
        classes += made[1]
    while len(ids) < width:
        piece, piece_classes = text_row(encoder, maker.rng.choice(maker.prose).text[:1500], width - len(ids))
        ids += piece
        classes += piece_classes
    return ids, classes
