"""What the span pointer sees of a text: its tokens' hidden states in the delivered model, where they stand, and how their words are
shared with the question. src/engine/answer/pointer does the same."""

import re
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

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


@dataclass
class Texts:
    """Tokens of texts [count, longest], and where in each row the text's own begin and end."""

    ids: np.ndarray
    first: np.ndarray
    last: np.ndarray


@torch.no_grad()
def states_of(
    model: Model, texts: Texts, layers: tuple[int, ...], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """(the states [count, longest, layers * dim] of the texts' own tokens, how many each has)."""
    first, last = (torch.from_numpy(x).to(device) for x in (texts.first, texts.last))
    lengths = last - first
    h = F.embedding(torch.from_numpy(texts.ids).to(device), model.embed.weight)
    rope = model.rope(0, h.shape[1], device)
    captured = [h]
    for block in model.blocks[: max(layers)]:
        h = block(h, rope)
        captured.append(h)
    at = (first[:, None] + torch.arange(int((texts.last - texts.first).max()), device=device)).clamp_max(h.shape[1] - 1)
    rows = torch.arange(len(first), device=device)[:, None]
    return torch.cat([unit(captured[layer])[rows, at] for layer in layers], dim=-1), lengths


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
