"""What the span pointer sees of a text: its tokens' hidden states in the delivered model, where they stand, and how their words are
shared with the question. src/engine/answer/pointer does the same."""

import re
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from corpus import Article
from model import Model
from rows import BOS, Encoder

# So many layers are behind the states: 0 are the embeddings.
LAYERS = (0, 4, 8)
HEADER, QUESTION = "[1] text.md:1-9\n", "Question: "
# Letters two words share at their beginning to count as forms of one.
STEM = 5
FLAGS = 5
COMMON = re.compile(
    r"the|an?|of|in|on|at|to|for|by|with|from|and|or|is|are|was|were|be|been|did|do|does|has|have|had|what|which|who|whom|whose|when|"
    r"where|why|how|many|much|that|this|its?|as"
)
WORD = re.compile(r"\w+")
# Tokens of a pass.
PASS = 2500


@dataclass
class Text:
    """`states` [tokens, layers * dim] float16; `offsets` [tokens, 2] are characters of the text."""

    states: np.ndarray
    offsets: np.ndarray


@dataclass
class Asked:
    passage: int
    question: str
    answers: list[str]
    article: str


def token_bytes(encoder: Encoder, token: int) -> bytes:
    piece = encoder.sp.id_to_piece(token)
    if encoder.sp.is_byte(token):
        return bytes([int(piece[3:5], 16)])
    return piece.replace("\u2581", " ").encode()


def tokens_behind(encoder: Encoder, lead: str, text: str) -> tuple[list[int], int, np.ndarray]:
    """(ids of BOS + lead + text, the first one of the text, [tokens, 2] characters of the text that each of those stands for)."""
    ids = encoder.encode(lead + text)
    whole = (lead + text).encode()
    ends = (
        np.cumsum([len(token_bytes(encoder, token)) for token in ids]) - 1
    )  # The first byte is the space put in front of it all.
    if ends[-1] != len(whole):
        raise ValueError(f"The tokens of {text[:40]!r} are not its bytes.")
    character = np.cumsum([byte & 0xC0 != 0x80 for byte in whole])
    places = np.concatenate(([0], character))[
        np.clip(np.stack((np.concatenate(([0], ends[:-1])), ends), 1), 0, len(whole))
    ]
    places -= len(lead)
    first = int(np.argmax(places[:, 1] > 0))
    return [BOS, *ids], first + 1, np.clip(places[first:], 0, None)


@torch.no_grad()
def read_states(model: Model, encoder: Encoder, texts: list[str], lead: str) -> list[Text]:
    """The states of the texts' own tokens, in batches of texts of similar length."""
    tokens = [tokens_behind(encoder, lead, text) for text in texts]
    order = sorted(range(len(texts)), key=lambda i: len(tokens[i][0]))
    found: list[Text | None] = [None] * len(texts)
    at = 0
    while at < len(order):
        batch = order[at : at + max(1, PASS // len(tokens[order[at]][0]))]
        at += len(batch)
        ids = torch.zeros(len(batch), max(len(tokens[i][0]) for i in batch), dtype=torch.long)
        for row, i in enumerate(batch):
            ids[row, : len(tokens[i][0])] = torch.tensor(tokens[i][0])
        h = F.embedding(ids, model.embed.weight)
        rope = model.rope(0, ids.shape[1], ids.device)
        captured = [h]
        for block in model.blocks[: LAYERS[-1]]:
            h = block(h, rope)
            captured.append(h)
        states = torch.cat([unit(captured[layer]) for layer in LAYERS], dim=-1).half().numpy()
        for row, i in enumerate(batch):
            own, first, offsets = tokens[i]
            found[i] = Text(states[row, first : len(own)].copy(), offsets)
    return [text for text in found if text is not None]


def unit(x: torch.Tensor) -> torch.Tensor:
    """Rows of mean square 1: layers differ in size."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def word_flags(text: str, offsets: np.ndarray, question: str) -> np.ndarray:
    """[tokens, FLAGS]: whether a token's word is in the question, is one of its content words, a form of one, capitalised, a number."""
    asked = {m.group().lower() for m in WORD.finditer(question)}
    content = {word for word in asked if not COMMON.fullmatch(word)}
    stems = {word[:STEM] for word in content if len(word) >= 4}
    words = list(WORD.finditer(text))
    flags = np.zeros((len(offsets), FLAGS), dtype=np.float32)
    at = 0
    for i, (start, end) in enumerate(offsets):
        while at < len(words) and words[at].end() <= start:
            at += 1
        if at == len(words) or words[at].start() >= end:
            continue
        word = words[at].group()
        lower = word.lower()
        is_form = lower not in content and len(lower) >= 4 and lower[:STEM] in stems
        flags[i] = (lower in asked, lower in content, is_form, word[0].isupper(), any(c.isdigit() for c in word))
    return flags


def answer_places(text: str, offsets: np.ndarray, answers: list[str]) -> list[tuple[int, int]]:
    """(first, last) tokens of the first place of each answer."""
    found = []
    for answer in dict.fromkeys(answers):
        start = text.find(answer)
        inside = np.flatnonzero((offsets[:, 1] > start) & (offsets[:, 0] < start + len(answer)))
        if start >= 0 and len(inside):
            found.append((int(inside[0]), int(inside[-1])))
    return found


def asked_of(articles: list[Article]) -> tuple[list[str], list[Asked]]:
    """(passages, the questions asked about them)."""
    passages: dict[str, int] = {}
    asked = []
    for article in articles:
        for paragraph in article.paragraphs:
            number = passages.setdefault(paragraph.context, len(passages))
            asked += [Asked(number, q.text.strip(), q.answers, article.title) for q in paragraph.questions]
    return list(passages), asked
