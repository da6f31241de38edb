"""Greedy answers of a model to questions over passages, and SQuAD's own measures of an answer."""

import re
import string
from collections import Counter

import torch

from model import Model
from passages import Passage, prompt
from rows import BOS, EOS, Encoder

LONGEST_ANSWER = 32


class Reader:
    def __init__(self, model: Model, encoder: Encoder):
        self.model, self.encoder = model.eval(), encoder

    def answer(self, passages: list[Passage], question: str, limit: int = LONGEST_ANSWER) -> tuple[str, int | None]:
        """(answer without its citation, cited number or None)"""
        ids = [BOS, *self.encoder.encode(prompt(passages, question))]
        text = self.encoder.decode(self.generate(ids, limit)).strip().split("\n")[0]
        m = re.search(r"\s*\[(\d+)\]$", text)
        return (text[: m.start()], int(m.group(1))) if m else (text, None)

    @torch.no_grad()
    def generate(self, ids: list[int], limit: int) -> list[int]:
        caches: list[list[torch.Tensor]] = [[] for _ in range(self.model.config.layers)]
        embed = self.model.embed.weight
        x = torch.tensor([ids], device=embed.device)
        out: list[int] = []
        while len(out) < limit:
            h = self.model.hidden(x, caches)[:, -1]
            token = int((h.float() @ embed.t().float()).argmax())
            if token == EOS:
                break
            out.append(token)
            x = torch.tensor([[token]], device=embed.device)
        return out


def normalise(s: str) -> str:
    s = "".join(c for c in s.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())


def exact(answer: str, references: list[str]) -> bool:
    return any(normalise(answer) == normalise(r) for r in references)


def f1(answer: str, references: list[str]) -> float:
    best = 0.0
    for reference in references:
        x, y = normalise(answer).split(), normalise(reference).split()
        common = sum((Counter(x) & Counter(y)).values())
        if common:
            precision, recall = common / len(x), common / len(y)
            best = max(best, 2 * precision * recall / (precision + recall))
    return best
