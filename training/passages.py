"""Passages with numbered headers and the one prompt format of this project:

[1] guide/setup.md:10-24
<passage>

Question: When was the parliament established?
Answer: 1999 [1]</s>
"""

import random
import re
from dataclasses import dataclass, field

NOT_IN_TEXT = "not in the text"
SHORTEST, LONGEST = 120, 2200
LONG_LINE = 1300


@dataclass
class Question:
    """A question somebody wrote; no answers means the context does not say."""

    text: str
    answers: list[str]


@dataclass(eq=False)
class Passage:
    """Lines `first` to `last` of a document; `source` tells documents apart, `questions` are those that people wrote."""

    path: str
    first: int
    last: int
    text: str
    code: bool = False
    source: object = None
    questions: list[Question] = field(default_factory=list)

    def header(self, number: int) -> str:
        return f"[{number}] {self.path}:{self.first}-{self.last}"


def render(passages: list[Passage]) -> str:
    return "\n\n".join(f"{p.header(i + 1)}\n{p.text}" for i, p in enumerate(passages))


def prompt(passages: list[Passage], question: str) -> str:
    """The exact text the model is given (after BOS) for one question."""
    return f"{render(passages)}\n\nQuestion: {question}\nAnswer:"


def split_document(path: str, text: str, code: bool, source: object, rng: random.Random) -> list[Passage]:
    """Cuts a document into passages of a few hundred characters at paragraph (prose) or line (code) boundaries."""
    lines = text.replace("\t", "    ").split("\n")
    out: list[Passage] = []
    start, size, target = 0, 0, target_size(rng)
    for i, line in enumerate(lines):
        if len(line) > LONG_LINE and not code:
            out += split_line(line, i + 1, path, source, rng)
            start, size = i + 1, 0
            continue
        size += len(line) + 1
        at_boundary = code or not line.strip() or i + 1 == len(lines) or not lines[i + 1].strip()
        if size > target and at_boundary:
            part = "\n".join(lines[start : i + 1])
            first = start + 1 + len(part) - len(part.lstrip("\n"))
            part = part.strip("\n")
            if SHORTEST < len(part) < LONGEST and max(map(len, part.split("\n"))) < 1600:
                squeezed = re.sub(r"\n{3,}", "\n\n", part)
                out.append(Passage(path, first, first + part.count("\n"), squeezed, code, source))
            start, size, target = i + 1, 0, target_size(rng)
    return out


def target_size(rng: random.Random) -> int:
    return rng.randint(250, 1100)


def split_line(line: str, number: int, path: str, source: object, rng: random.Random) -> list[Passage]:
    """A paragraph on one long line, cut at sentences."""
    out, begin, target = [], 0, target_size(rng)
    for end in [m.end() for m in re.finditer(r"[.!?]\s", line)] + [len(line)]:
        if end - begin > target or end == len(line):
            part = line[begin:end].strip()
            if 150 < len(part) < 1600:
                out.append(Passage(path, number, number, part, False, source))
            begin, target = end, target_size(rng)
    return out
