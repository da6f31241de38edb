"""Measures a checkpoint on text it has not seen, with greedy decoding.

    python evaluate.py --model runs/mini/weights.pt --tokenizer tokenizer.model --questions 400 --trials 10 --out figures.json

- `lm`: loss per token and bits per character on held-out documents.
- `squad_gold`, `squad_distractors`: EM and F1 (SQuAD's own, best of the reference answers) on the development articles, the paragraph
  alone or among three others (two of its article, one of another), and the share of right citations.
- `unanswerable`: share of SQuAD 2.0's unanswerable questions refused, and of questions over a paragraph of another article.
- `passkey`: share of exact answers for a key planted in held-out prose, by context length in tokens and depth.
"""

import argparse
import json
import math
import random
import re
import time
from pathlib import Path

import torch

from checkpoint import load_weights
from corpus import Article, Document, Paragraph, Question, load_documents, load_squad
from model import Model
from passages import NOT_IN_TEXT, Passage, split_document
from reader import Reader, exact, f1
from rows import BOS, EOS, Encoder

DEPTHS = (0, 25, 50, 75, 100)
Case = tuple[Article, Paragraph, Question]


def squad_cases(dev: list[Article], seed: int = 7) -> tuple[list[Case], list[Case]]:
    """(answerable, unanswerable) questions in an order of their own."""
    cases = [(article, p, q) for article in dev for p in article.paragraphs for q in p.questions]
    answerable, impossible = ([c for c in cases if bool(c[2].answers) == wanted] for wanted in (True, False))
    rng = random.Random(seed)
    rng.shuffle(answerable)
    rng.shuffle(impossible)
    return answerable, impossible


def squad_passages(case: Case, dev: list[Article], distractors: int, rng: random.Random) -> tuple[list[Passage], int]:
    """The passages in a random order, and the number of the right one."""
    article, paragraph, _ = case
    chosen = [(article, paragraph)]
    while len(chosen) <= distractors:
        a = article if len(chosen) < 3 and len(article.paragraphs) > 3 else rng.choice(dev)
        p = rng.choice(a.paragraphs)
        if all(p is not o for _, o in chosen):
            chosen.append((a, p))
    order = list(range(len(chosen)))
    rng.shuffle(order)
    passages = [Passage(f"wiki/{chosen[i][0].title}.md", 10 * i + 1, 10 * i + 4, chosen[i][1].context) for i in order]
    return passages, order.index(0) + 1


def squad(reader: Reader, dev: list[Article], limit: int, distractors: int) -> tuple[dict, list]:
    rng, cases = random.Random(3), squad_cases(dev)[0][:limit]
    samples, sums = [], dict.fromkeys(("em", "f1", "citation", "refused"), 0.0)
    for case in cases:
        passages, gold = squad_passages(case, dev, distractors, rng)
        text, number = reader.answer(passages, case[2].text)
        sums["em"] += exact(text, case[2].answers)
        sums["f1"] += f1(text, case[2].answers)
        sums["citation"] += number == gold
        sums["refused"] += text == NOT_IN_TEXT
        samples.append([case[2].text, text, number, case[2].answers[0], gold])
    return {"questions": len(cases), **{k: round(100 * v / len(cases), 1) for k, v in sums.items()}}, samples[:12]


def unanswerable(reader: Reader, dev: list[Article], limit: int) -> dict:
    rng = random.Random(4)
    answerable, impossible = (cases[:limit] for cases in squad_cases(dev))
    refused = [reader.answer(squad_passages(c, dev, 0, rng)[0], c[2].text)[0] == NOT_IN_TEXT for c in impossible]
    other = []
    for article, _, question in answerable:
        elsewhere = rng.choice([a for a in dev if a is not article])
        case = (elsewhere, rng.choice(elsewhere.paragraphs), question)
        other.append(reader.answer(squad_passages(case, dev, 0, rng)[0], question.text)[0] == NOT_IN_TEXT)
    return {
        "squad2_refused": percent(refused),
        "squad2_questions": len(refused),
        "other_article_refused": percent(other),
        "other_article_questions": len(other),
    }


def percent(claims: list[bool]) -> float:
    return round(100 * sum(claims) / max(1, len(claims)), 1)


def filler(documents: list[Document], encoder: Encoder, tokens: int, rng: random.Random) -> list[Passage]:
    """Passages of held-out prose of about so many tokens together."""
    out, size = [], 0
    while size < tokens:
        d = rng.choice(documents)
        parts = split_document(d.path[-60:], d.text, False, 0, rng)
        if not parts:
            continue
        k = rng.randrange(len(parts))
        for p in parts[k : k + 3]:
            n = len(encoder.encode(p.text)) + 20
            if size + n > tokens:
                cut = p.text[: int(len(p.text) * max(0.0, (tokens - size - 20) / n))].rsplit(" ", 1)[0]
                return [*out, Passage(p.path, p.first, p.last, cut)] if len(cut) > 40 else out
            out.append(p)
            size += n
    return out


def plant(passages: list[Passage], sentence: str, depth: float) -> list[Passage]:
    """The passages with the sentence at the sentence boundary nearest to `depth` (0 to 1)."""
    sizes = [len(p.text) for p in passages]
    at, k = depth * sum(sizes), 0
    while k < len(sizes) - 1 and at > sizes[k]:
        at -= sizes[k]
        k += 1
    p = passages[k]
    spots = [0, *(m.end() for m in re.finditer(r"[.!?]\s|\n", p.text)), len(p.text)]
    spot = min(spots, key=lambda s: abs(s - at))
    text = (p.text[:spot].rstrip() + " " + sentence + " " + p.text[spot:].lstrip()).strip()
    return [*passages[:k], Passage(p.path, p.first, p.last, text), *passages[k + 1 :]]


def passkey(reader: Reader, documents: list[Document], length: int, trials: int = 8, seed: int = 11) -> dict:
    """Exact answers in percent, in all and by depth, with a context of about `length` tokens."""
    rng = random.Random(seed + length)
    by_depth = {}
    for depth in DEPTHS:
        right = []
        for _ in range(trials):
            value = str(rng.randrange(10000, 99999))
            noun = rng.choice(["pass key", "secret number", "access code"])
            where = rng.choice([" for the red library", " of Marcus", "", " for the hidden tower"])
            passages = filler(documents, reader.encoder, length - 60, rng)
            passages = plant(passages, f"The {noun}{where} is {value}.", depth / 100)
            right.append(reader.answer(passages, f"What is the {noun}{where}?", 16)[0] == value)
        by_depth[depth] = percent(right)
    return {"mean": round(sum(by_depth.values()) / len(DEPTHS), 1), "by_depth": by_depth}


@torch.no_grad()
def text_loss(
    model: Model, encoder: Encoder, documents: list[Document], context: int, rows: int, seed: int = 5
) -> dict:
    """Mean loss over rows of held-out text, over their last quarter, and in bits per character."""
    rng = random.Random(seed)
    total = last = 0.0
    chars = 0
    for _ in range(rows):
        ids = [BOS]
        while len(ids) < context + 1:
            text = rng.choice(documents).text
            k = rng.randrange(max(1, len(text) - context * 5))
            ids += [*encoder.encode(text[k : k + context * 5]), EOS]
        ids = ids[: context + 1]
        x = torch.tensor([ids], device=model.embed.weight.device)
        losses = torch.nn.functional.cross_entropy(model(x[:, :-1]).float()[0], x[0, 1:], reduction="none")
        total += losses.sum().item()
        last += losses[-(context // 4) :].mean().item()
        chars += len(encoder.decode([i for i in ids if i > EOS]))
    return {
        "loss": round(total / rows / context, 4),
        "last_quarter": round(last / rows, 4),
        "bits_per_char": round(total / math.log(2) / chars, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--corpus", nargs="+", default=["../../shared/corpus"])
    parser.add_argument("--squad", default="../../shared/data/squad")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--parts", default="lm,squad,unanswerable,passkey")
    parser.add_argument(
        "--lengths", default="256,512,1024,2048,4096", help="of passkey contexts; none above the trained one"
    )
    parser.add_argument("--limit-chars", type=float)
    parser.add_argument("--out")
    a = parser.parse_args()
    model, extra = load_weights(a.model, torch.float32, a.device)
    encoder = Encoder(a.tokenizer)
    reader = Reader(model, encoder)
    dev = load_squad(a.squad)[1]
    parts, start = a.parts.split(","), time.time()
    figures: dict = {"model": a.model, **extra}

    def note(key: str, value: dict) -> None:
        figures[key] = value
        print(json.dumps({key: value}), flush=True)

    if "squad" in parts:
        for key, n in (("squad_gold", 0), ("squad_distractors", 3)):
            result, figures[key + "_samples"] = squad(reader, dev, a.questions, n)
            note(key, result)
    if "unanswerable" in parts:
        note("unanswerable", unanswerable(reader, dev, a.questions // 3 if a.questions < 1200 else a.questions))
    if {"lm", "passkey"} & set(parts):
        documents = load_documents(a.corpus, a.limit_chars)
        held = [d for d in documents if d.held_out and not d.code and len(d.text) > 3000]
        if "lm" in parts:
            note("lm", text_loss(model, encoder, held, 512, 24))
        for length in map(int, a.lengths.split(",") if "passkey" in parts else ()):
            if length <= model.config.context:
                note(f"passkey_{length}", passkey(reader, held, length, a.trials))
    figures["seconds"] = round(time.time() - start, 1)
    if a.out:
        Path(a.out).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
