"""Trains the span pointer over the delivered model, whose weights stay as they are, and writes it as GGUF beside the model.

    python pointer.py --model ../models/lectern-mini.gguf --corpus $DATA/corpus --squad $DATA/squad \\
        --out ../models/lectern-mini.pointer.gguf

Questions: SQuAD's training articles, and others that people wrote about passages. Half an hour on two CPU cores; OMP_WAIT_POLICY=PASSIVE
keeps its threads from getting in each other's way. Prints F1 and the area under the curve of "answered or not" on the development
articles behind each pass over the data. A run that was stopped goes on where it saved its weights last (--weights).
"""

import argparse
import hashlib
import json
import math
import random
import time
from pathlib import Path

import numpy as np
import torch

from checkpoint import load_weights
from corpus import Article, load_human, load_squad
from export_gguf import import_weights
from gguf_file import ARRAY, FLOAT32, STRING, UINT32, q8_0, write_gguf
from pointer_network import LONGEST, PointerNetwork, pointer_loss, span_logits
from pointer_text import HEADER, LAYERS, QUESTION, Asked, Text, answer_places, asked_of, read_states, word_flags
from reader import f1
from rows import Encoder

CHARS_PER_TOKEN = 3.8
BATCH, RATE, DECAY, WARM_UP = 64, 2e-3, 0.05, 50
# Batches are of passages of similar length, chosen among so many batches' worth.
POOL = 20


class Questions:
    """Passages and questions with their states, as batches."""

    def __init__(self, passages: list[str], asked: list[Asked], texts: list[Text], questions: list[Text]):
        self.passages, self.asked, self.texts, self.questions = passages, asked, texts, questions
        self.places = [answer_places(passages[a.passage], texts[a.passage].offsets, a.answers) for a in asked]
        self.usable = [i for i, a in enumerate(asked) if self.places[i] or not a.answers]

    def batch(self, numbers: list[int]) -> tuple:
        texts = [self.texts[self.asked[i].passage] for i in numbers]
        questions = [self.questions[i] for i in numbers]
        flags = [
            word_flags(self.passages[self.asked[i].passage], t.offsets, self.asked[i].question)
            for i, t in zip(numbers, texts, strict=True)
        ]
        lengths = tuple(torch.tensor([len(t.states) for t in some]) for some in (texts, questions))
        return pad([t.states for t in texts]), pad([q.states for q in questions]), pad(flags), lengths


def pad(arrays: list[np.ndarray]) -> torch.Tensor:
    out = torch.zeros(len(arrays), max(map(len, arrays)), arrays[0].shape[1])
    for row, array in enumerate(arrays):
        out[row, : len(array)] = torch.from_numpy(np.asarray(array, dtype=np.float32))
    return out


def chunks(data: Questions, rng: random.Random) -> list[list[int]]:
    order = data.usable[:]
    rng.shuffle(order)
    out = []
    for i in range(0, len(order), BATCH * POOL):
        near = sorted(order[i : i + BATCH * POOL], key=lambda n: len(data.texts[data.asked[n].passage].states))
        out += [near[j : j + BATCH] for j in range(0, len(near), BATCH)]
    rng.shuffle(out)
    return out


@torch.no_grad()
def evaluate(network: PointerNetwork, data: Questions) -> tuple[dict, list[dict]]:
    """(figures, what is said of every question)."""
    network.eval()
    said = []
    for i in range(0, len(data.usable), BATCH):
        numbers = data.usable[i : i + BATCH]
        start, end, none = network(*data.batch(numbers))
        spans = span_logits(start, end)
        totals = spans.flatten(1).logsumexp(1)
        for row, n in enumerate(numbers):
            first, last = divmod(int(spans[row].argmax()), spans.shape[2])
            asked = data.asked[n]
            text, offsets = data.passages[asked.passage], data.texts[asked.passage].offsets
            answer = text[offsets[first, 0] : offsets[last, 1]].strip()
            said.append(
                {
                    "question": asked.question,
                    "passage": text,
                    "answer": answer,
                    "f1": f1(answer, asked.answers) if asked.answers else None,
                    "odds": float(totals[row] - none[row]),
                    "total": float(totals[row]),
                    "start": start[row, : len(offsets)].tolist(),
                    "end": end[row, : len(offsets)].tolist(),
                    "offsets": offsets.tolist(),
                }
            )
    network.train()
    good, bad = (np.array([s["odds"] for s in said if (s["f1"] is None) == is_none]) for is_none in (False, True))
    scores = [s["f1"] for s in said if s["f1"] is not None]
    area = (good[:, None] > bad[None]).mean() if len(bad) else 0
    return {"F1": round(100 * float(np.mean(scores)), 1), "area": round(float(area), 3)}, said


def train(network: PointerNetwork, data: Questions, dev: Questions, a: argparse.Namespace) -> None:
    rng = random.Random(a.seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    weights, begin = Path(a.weights), 0
    if weights.exists():
        saved = torch.load(weights, weights_only=True)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        begin = saved["passes"]
    steps_a_pass = math.ceil(len(data.usable) / BATCH)
    start = time.time()
    for number in range(a.passes):
        batches = chunks(data, rng)
        if number < begin:
            continue
        total = 0.0
        for i, numbers in enumerate(batches):
            step = number * steps_a_pass + i
            share = min(1, step / (a.passes * steps_a_pass))
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1, (step + 1) / WARM_UP) * max(0.02, 0.5 * (1 + math.cos(math.pi * share)))
            loss = pointer_loss(network(*data.batch(numbers)), [data.places[n] for n in numbers])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()
            total += loss.item()
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "passes": number + 1}
        torch.save(state, weights)
        figures = evaluate(network, dev)[0]
        print(
            json.dumps(
                {
                    "pass": number + 1,
                    "loss": round(total / len(batches), 3),
                    **figures,
                    "seconds": round(time.time() - start),
                }
            ),
            flush=True,
        )


def export(network: PointerNetwork, model: Path, out: Path) -> None:
    """Matrices whose rows divide into blocks as Q8_0, the rest in float32."""
    metadata = [
        ("general.architecture", STRING, "span-pointer", None),
        ("general.name", STRING, "Lectern Mini's span pointer", None),
        ("lectern.pointer.model", STRING, hashlib.sha256(model.read_bytes()).hexdigest(), None),
        ("lectern.pointer.layers", ARRAY, list(LAYERS), UINT32),
        ("lectern.pointer.longest", UINT32, LONGEST, None),
        ("lectern.pointer.epsilon", FLOAT32, 1e-6, None),
    ]
    tensors = []
    for name, p in network.state_dict().items():
        array = p.float().numpy()
        array = array[None] if array.ndim == 1 else array
        is_large = array.shape[0] > 1 and array.shape[1] % 32 == 0
        tensors.append((name, q8_0(array) if is_large else array.astype(np.float32)))
    write_gguf(out, metadata, tensors)
    print(f"{out}: {out.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokenizer", default="tokenizer.model")
    parser.add_argument("--corpus", nargs="+", required=True)
    parser.add_argument("--squad", required=True)
    parser.add_argument("--passes", type=int, default=6)
    parser.add_argument("--passage-tokens", type=float, default=4e5, help="of passages that are not SQuAD's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights", default="pointer.pt", help="where the state after each pass is kept")
    parser.add_argument("--said", help="what is said of the development questions, as JSON lines")
    parser.add_argument("--out", type=Path, required=True)
    a = parser.parse_args()
    torch.manual_seed(a.seed)
    weights = Path(a.weights + ".model")
    import_weights(argparse.Namespace(gguf=a.model, out=weights))
    model, _ = load_weights(weights)
    weights.unlink()
    encoder = Encoder(a.tokenizer)

    def questions(passages: list[str], asked: list[Asked]) -> Questions:
        texts = read_states(model, encoder, passages, HEADER)
        return Questions(passages, asked, texts, read_states(model, encoder, [q.question for q in asked], QUESTION))

    articles, dev_articles = load_squad(a.squad)
    others = [p for article in load_human(a.corpus, dev_articles) for p in article.paragraphs]
    random.Random(a.seed).shuffle(others)
    sizes = np.cumsum([len(p.context) / CHARS_PER_TOKEN for p in others])
    articles.append(Article("others", others[: int(np.searchsorted(sizes, a.passage_tokens))]))
    dev = questions(*asked_of(dev_articles))
    data = questions(*asked_of(articles))
    print(f"{len(data.usable)} questions over {len(data.passages)} passages; {len(dev.usable)} to look at", flush=True)
    network = PointerNetwork(dev.texts[0].states.shape[1])
    train(network, data, dev, a)
    export(network, a.model, a.out)
    if a.said:
        Path(a.said).write_text("".join(json.dumps(s) + "\n" for s in evaluate(network, dev)[1]))


if __name__ == "__main__":
    main()
