"""Perplexity and passkey accuracy at 1, 2, 4 and 8 times the trained length under every RoPE scaling, as JSON, a table and one plot.

    python extend.py --model runs/mini/weights.pt --tokenizer tokenizer.model --trials 4 --rows 6 --out extension

`--trained` overrides the trained length, to measure a model as if it had been trained shorter than its card says.
"""

import argparse
import json
import math
from pathlib import Path

import torch

from checkpoint import load_weights
from corpus import load_documents
from evaluate import passkey, text_loss
from reader import Reader
from rope import METHODS
from rows import Encoder

WIDTH, HEIGHT, MARGIN = 420, 300, 50
COLOURS = ("#888888", "#4477aa", "#228833", "#ccbb44", "#ee6677")


def polyline(points: list[tuple[float, float]], colour: str) -> str:
    coordinates = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{coordinates}" fill="none" stroke="{colour}" stroke-width="2"/>'


def label(x: float, y: float, text: str, anchor: str = "middle", colour: str = "#222222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def panel(left: float, title: str, series: dict[str, list[float]], lengths: list[int], top: float) -> str:
    """Lines over length; the horizontal axis is logarithmic, the vertical one goes from 0 to `top` and cuts off above."""
    inner_width, inner_height = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN

    def place(i: int, value: float) -> tuple[float, float]:
        x = left + MARGIN + inner_width * i / max(1, len(lengths) - 1)
        return x, HEIGHT - MARGIN - inner_height * min(value, top) / top

    parts = [label(left + WIDTH / 2, 30, title)]
    parts += [label(place(i, 0)[0], HEIGHT - MARGIN + 18, str(length)) for i, length in enumerate(lengths)]
    parts += [label(left + MARGIN - 6, place(0, v)[1] + 4, f"{v:g}", "end") for v in (0, top / 2, top)]
    parts.append(polyline([place(0, top), place(0, 0), place(len(lengths) - 1, 0)], "#222222"))
    for values, colour in zip(series.values(), COLOURS, strict=False):
        parts.append(polyline([place(i, v) for i, v in enumerate(values)], colour))
    return "\n".join(parts)


def plot(figures: dict[str, list[dict]], lengths: list[int]) -> str:
    """Perplexity on the left, passkey accuracy on the right, one colour a method."""
    perplexity = {name: [row["perplexity"] for row in rows] for name, rows in figures.items()}
    keys = {name: [row["passkey"] for row in rows] for name, rows in figures.items()}
    top = 10 * math.ceil(max(values[0] for values in perplexity.values()) * 2.5 / 10)
    legend = [
        label(WIDTH * 2 + 10, 80 + 22 * i, name, "start", COLOURS[i % len(COLOURS)]) for i, name in enumerate(figures)
    ]
    body = [panel(0, "perplexity", perplexity, lengths, top), panel(WIDTH, "passkey, %", keys, lengths, 100), *legend]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * 2 + 130}" height="{HEIGHT}" font-family="sans-serif" font-size="13">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--corpus", nargs="+", default=["../../shared/corpus"])
    parser.add_argument("--limit-chars", type=float)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--trained", type=int, default=0)
    parser.add_argument("--factors", default="1,2,4,8")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--trials", type=int, default=4, help="passkeys at each of the five depths")
    parser.add_argument("--rows", type=int, default=6, help="rows of text a perplexity is taken over")
    parser.add_argument("--out", required=True, help="prefix of OUT.json and OUT.svg")
    a = parser.parse_args()
    changes = {"context": a.trained} if a.trained else {}
    model, _ = load_weights(a.model, torch.float32, a.device, **changes)
    encoder = Encoder(a.tokenizer)
    reader = Reader(model, encoder)
    factors = [float(f) for f in a.factors.split(",")]
    lengths = [int(model.config.context * f) for f in factors]
    documents = load_documents(a.corpus, a.limit_chars)
    held = [d for d in documents if d.held_out and not d.code and len(d.text) > lengths[-1] * 5 + 100]
    figures: dict[str, list[dict]] = {}
    for name in a.methods.split(","):
        for factor, length in zip(factors, lengths, strict=True):
            model.set_rope(*METHODS[name](model.config, factor))
            row = {
                "tokens": length,
                "perplexity": round(math.exp(text_loss(model, encoder, held, length, a.rows)["loss"]), 2),
                "passkey": passkey(reader, held, length, a.trials)["mean"],
            }
            figures.setdefault(name, []).append(row)
            print(json.dumps({name: row}), flush=True)
    Path(a.out + ".json").write_text(
        json.dumps({"model": a.model, "trained": model.config.context, **figures}, indent=1)
    )
    Path(a.out + ".svg").write_text(plot(figures, lengths))


if __name__ == "__main__":
    main()
