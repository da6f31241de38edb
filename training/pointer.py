"""Trains the span pointer over the delivered model, whose weights stay as they are, and writes it as GGUF beside the model.

    python pointer.py --model ../models/lectern-mini.gguf --corpus $DATA/corpus --squad $DATA/squad --minutes 5.6 --workers 15 \\
        --thesaurus thesaurus.json --run runs/pointer --out ../models/lectern-mini.pointer.gguf

Questions are made while it trains (pointer_questions.py). Prints F1 and the area under the curve of "answered or not" on the development
articles now and then. A run that was stopped goes on where it last saved (--run). On a CPU the same takes hours.
"""

import argparse
import hashlib
import json
import math
import time
from pathlib import Path

import numpy as np
import torch

from checkpoint import load_weights
from corpus import load_documents, load_human, load_squad
from examples import Maker
from export_gguf import import_weights
from gguf_file import ARRAY, FLOAT32, STRING, UINT32, q8_0, write_gguf
from model import Model
from pointer_batches import BatchStream, PointerBatch, Prepared, batch_of, prepare
from pointer_network import LONGEST, PointerNetwork, Seen, pointer_loss, span_logits, span_total
from pointer_questions import Group, QuestionMaker
from pointer_text import LAYERS, states_of
from reader import f1
from rows import Encoder
from thesaurus import Thesaurus

RATE, DECAY, WARM_UP, KEEP = 2e-3, 0.05, 100, 0.998
SAVES = 12
DEV_GROUPS = 40


def mix_at(recipe: list[dict], progress: float) -> tuple[float, float]:
    """`QuestionMaker.group`'s shares at this progress of a run: those of the first stage that still lasts."""
    stage = next((stage for stage in recipe if progress < stage["until"]), recipe[-1])
    return stage["written"], stage["unanswered"]


def see(model: Model, batch: PointerBatch, layers: tuple[int, ...], device: torch.device) -> Seen:
    """The states of a batch's texts, and the rest of it, on the device."""
    passages, passage_lengths = states_of(model, batch.passages, layers, device)
    questions, question_lengths = states_of(model, batch.questions, layers, device)
    passage = torch.from_numpy(batch.passage).to(device)
    flags, question_flags = (torch.from_numpy(f).to(device).float() for f in (batch.flags, batch.question_flags))
    return Seen(
        passages,
        questions,
        passage,
        flags,
        question_flags,
        (passage_lengths[passage], question_lengths),
    )


@torch.no_grad()
def evaluate(
    network: PointerNetwork, model: Model, dev: list[Prepared], a: argparse.Namespace
) -> tuple[dict, list[dict]]:
    """(figures, what is said of every question)."""
    network.eval()
    said = []
    for i in range(0, len(dev), DEV_GROUPS):
        groups = dev[i : i + DEV_GROUPS]
        seen = see(model, batch_of(groups), a.layers, a.device)
        start, end, none = network(seen)
        best = span_logits(start, end).flatten(1).argmax(1).tolist()
        totals = span_total(start, end)
        row = 0
        for group in groups:
            for question in group.questions:
                first, last = divmod(best[row], start.shape[1])
                answer = group.text[group.offsets[first, 0] : group.offsets[last, 1]].strip()
                said.append(
                    {
                        "question": question.text,
                        "passage": group.text,
                        "answer": answer,
                        "f1": f1(answer, question.answers) if question.answers else None,
                        "odds": float(totals[row] - none[row]),
                        "total": float(totals[row]),
                        "start": [round(x, 3) for x in start[row, : len(group.offsets)].tolist()],
                        "end": [round(x, 3) for x in end[row, : len(group.offsets)].tolist()],
                        "offsets": group.offsets.tolist(),
                    }
                )
                row += 1
    network.train()
    good, bad = (np.array([s["odds"] for s in said if (s["f1"] is None) == is_none]) for is_none in (False, True))
    scores = [s["f1"] for s in said if s["f1"] is not None]
    area = (good[:, None] > bad[None]).mean() if len(bad) else 0
    return {"F1": round(100 * float(np.mean(scores)), 1), "area": round(float(area), 3)}, said


def train(
    network: PointerNetwork, model: Model, stream: BatchStream, dev: list[Prepared], a: argparse.Namespace
) -> dict:
    """Trains for --minutes, earlier slices counted in; the mean of the weights' last steps."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    mean = {name: p.detach().clone() for name, p in network.state_dict().items()}
    saved, used, steps = Path(a.run) / "state.pt", 0.0, 0
    saved.parent.mkdir(parents=True, exist_ok=True)
    if saved.exists():
        state = torch.load(saved, weights_only=True, map_location=a.device)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        mean, used, steps = state["mean"], state["used"], state["steps"]
    begin, total, count, since, next_save = time.time(), 0.0, 0, 0, used + a.minutes / SAVES
    progress, recipe = used / a.minutes, json.loads(Path(a.recipe).read_text(encoding="utf-8"))
    for batch in stream.batches():
        stream.mix[:] = mix_at(recipe, progress)
        progress = (used + (time.time() - begin) / 60) / a.minutes
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = a.rate * min(1, (steps + 1) / WARM_UP) * max(0.01, 0.5 * (1 + math.cos(math.pi * progress)))
        loss = pointer_loss(network(see(model, batch, a.layers, a.device)), batch.places, a.unsure)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        keep = min(KEEP, (steps + 1) / (steps + 10))
        for name, p in network.state_dict().items():
            mean[name].lerp_(p, 1 - keep)
        steps += 1
        total, count, since = total + loss.detach(), count + len(batch.places), since + 1
        if progress * a.minutes >= next_save:
            next_save += a.minutes / SAVES
            figures = figures_of(network, mean, lambda: evaluate(network, model, dev, a)[0])
            line = {
                "progress": round(progress, 3),
                "steps": steps,
                "questions": count,
                "loss": round(float(total) / since, 3),
            }
            print(json.dumps({**line, **figures}), flush=True)
            total, since = 0.0, 0
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "mean": mean}
            torch.save({**state, "used": used + (time.time() - begin) / 60, "steps": steps}, saved)
    return mean


def figures_of(network: PointerNetwork, mean: dict, call):
    """What `call` gives while the network has the mean weights."""
    own = {name: p.clone() for name, p in network.state_dict().items()}
    network.load_state_dict(mean)
    found = call()
    network.load_state_dict(own)
    return found


def export(network: PointerNetwork, model: Path, layers: tuple[int, ...], out: Path) -> None:
    """Matrices whose rows divide into blocks as Q8_0, the rest in float32."""
    metadata = [
        ("general.architecture", STRING, "span-pointer", None),
        ("general.name", STRING, "Lectern Mini's span pointer", None),
        ("lectern.pointer.model", STRING, hashlib.sha256(model.read_bytes()).hexdigest(), None),
        ("lectern.pointer.layers", ARRAY, list(layers), UINT32),
        ("lectern.pointer.longest", UINT32, LONGEST, None),
        ("lectern.pointer.epsilon", FLOAT32, 1e-6, None),
    ]
    tensors = []
    for name, p in network.state_dict().items():
        array = p.float().cpu().numpy()
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
    parser.add_argument("--limit-chars", type=float, default=60e6)
    parser.add_argument("--squad", required=True)
    parser.add_argument("--thesaurus")
    parser.add_argument("--recipe", default="recipe-pointer.json", help="the mix of questions by progress")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=512, help="questions of a step")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--drop", type=float, default=0.4)
    parser.add_argument("--unsure", type=float, default=1.0, help="weight of the loss of answered or not")
    parser.add_argument("--layers", type=int, nargs="+", default=LAYERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", default="runs/pointer", help="where the state is kept")
    parser.add_argument("--said", help="what is said of the development questions, as JSON lines")
    parser.add_argument("--out", type=Path, required=True)
    a = parser.parse_args()
    a.layers = tuple(a.layers)
    articles, dev_articles = load_squad(a.squad)
    words = Thesaurus.read(a.thesaurus) if a.thesaurus else None
    documents = load_documents(a.corpus, a.limit_chars, a.seed)
    maker = QuestionMaker(Maker(documents, articles, load_human(a.corpus, dev_articles), a.seed, 0.0, words))
    stream = BatchStream(maker, a.tokenizer, a.batch, a.workers)
    encoder = Encoder(a.tokenizer)
    groups = [Group(p.context, p.questions) for article in dev_articles for p in article.paragraphs]
    dev = [made for group in groups if (made := prepare(encoder, group))]
    a.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(a.seed)
    Path(a.run).mkdir(parents=True, exist_ok=True)
    weights = Path(a.run) / "model.pt"
    import_weights(argparse.Namespace(gguf=a.model, out=weights))
    model, _ = load_weights(weights, device=str(a.device))
    weights.unlink()
    network = PointerNetwork(len(a.layers) * model.config.dim, a.hidden, a.drop).to(a.device)
    print(
        f"{sum(p.numel() for p in network.parameters())} parameters; {sum(len(g.asked) for g in dev)} questions to look at",
        flush=True,
    )
    network.load_state_dict(train(network, model, stream, dev, a))
    stream.close()
    figures, said = evaluate(network, model, dev, a)
    print(json.dumps(figures), flush=True)
    export(network, a.model, a.layers, a.out)
    if a.said:
        Path(a.said).write_text("".join(json.dumps(s) + "\n" for s in said))


if __name__ == "__main__":
    main()
