"""Lengthens the context of a trained model by YaRN without unlearning how it reads: long rows teach it to find what is far away, short rows
only to say what the model said before.

    python lengthen.py --init start.pt --factor 4 --long shards/k4096 --short shards/b1024 --out long.pt --minutes 25

Going on with ordinary training costs a small model its reading (RUNS.md): every step therefore takes one long row, with the loss of
train.py, and the same number of tokens of short rows, with the divergence from the untouched model's predictions as their loss.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F

from batches import loss_weights, read_batches
from checkpoint import load_weights, save_weights
from model import Model
from optimizer import Optimizer, rate_share

LOG_SECONDS = 20


def divergence(student: Model, teacher: Model, tokens: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted sum over positions of KL(teacher, student). tokens: [rows, length]; weights: [rows, length], summing to 1."""
    index = weights.reshape(-1).nonzero()[:, 0]

    def log_probabilities(model: Model) -> torch.Tensor:
        h = model.hidden(tokens).reshape(-1, model.config.dim)[index]
        return F.log_softmax(F.linear(h, model.embed.weight).float(), dim=-1)

    with torch.no_grad():
        wanted = log_probabilities(teacher)
    each = F.kl_div(log_probabilities(student), wanted, reduction="none", log_target=True).sum(-1)
    return (each * weights.reshape(-1)[index]).sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--init", required=True)
    parser.add_argument("--teacher", help="the untouched model, where --init is one that was lengthened already")
    parser.add_argument("--factor", type=float, default=4)
    parser.add_argument("--long", required=True, help="shard of rows of the new length")
    parser.add_argument("--short", required=True, help="shard of rows within the old length")
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--peak", type=float, default=0.001, help="Muon's rate")
    parser.add_argument("--peak-embed", type=float, default=0.0001, help="AdamW's rate")
    parser.add_argument("--weights", default="0,0.1,0.3,3,8", help="of tokens by class, as in train.py")
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    torch.manual_seed(a.seed)
    teacher, _ = load_weights(a.teacher or a.init)
    trained = teacher.config.context
    student, _ = load_weights(a.init, yarn=a.factor, original_context=trained, context=int(trained * a.factor))
    optimizer = Optimizer(student, a.peak, a.peak_embed, 0.0)
    table = torch.tensor([float(x) for x in a.weights.split(",")])
    generator = torch.Generator().manual_seed(a.seed)
    start = logged = time.time()

    def progress() -> float:
        return (time.time() - start) / (a.minutes * 60)

    size = student.config.context
    pairs = zip(*(read_batches([name], size, a.seed, (0, 0), lambda: 0.0) for name in (a.long, a.short)), strict=False)
    seen, sums = 0, {"long": 0.0, "short": 0.0, "steps": 0}
    for far, near in pairs:
        if progress() >= 1:
            break
        weights = loss_weights(far.classes[:, 1:], table, 0.3, generator)
        index = weights.reshape(-1).nonzero()[:, 0]
        total, _ = student.loss(far.tokens[:, :-1], far.tokens[:, 1:], weights.reshape(-1)[index], index)
        total.backward()
        weights = loss_weights(near.classes[:, 1:], table, 0.3, generator)
        kept = divergence(student, teacher, near.tokens[:, :-1], weights)
        kept.backward()
        optimizer.step(rate_share(progress(), 0.05, 0.9))
        seen += far.tokens.numel() + near.tokens.numel()
        sums = {"long": sums["long"] + total.item(), "short": sums["short"] + kept.item(), "steps": sums["steps"] + 1}
        if time.time() - logged > LOG_SECONDS:
            steps = sums["steps"]
            line = {"tokens": seen, "progress": round(progress(), 3), "loss": sums["long"] / steps, "divergence": sums["short"] / steps}
            print(json.dumps(line), flush=True)
            sums, logged = {"long": 0.0, "short": 0.0, "steps": 0}, time.time()
            save_weights(a.out, student, {"tokens": seen, "seconds": round(time.time() - start)})
    save_weights(a.out, student, {"tokens": seen, "seconds": round(time.time() - start)})


if __name__ == "__main__":
    main()
