"""Builds shards of training rows, and shows them.

    python data.py build --corpus ../../shared/corpus --squad ../../shared/data/squad --tokenizer tokenizer.model \\
        --context 1024 --tokens 6e6 --mix squad=4,human=3,read=2,key=1,code=1 --out shards/a --workers 8
    python data.py show --tokenizer tokenizer.model --shard shards/a

Kinds of rows: `squad` and `human` (questions people wrote), `read` (questions made by rule), `textbook` (the same over textbooks
alone, which are worded as people ask), `key` (planted facts), `code`, `lm` (text
alone), `copy` (a passage, then part of it again), `recall` (random tokens that repeat: a short dose of it at the very start is what
makes a small model look back at all). A shard is OUT.tokens.npy (uint16) and OUT.classes.npy (uint8, see rows.py).
"""

import argparse
import json
import multiprocessing
import time

import numpy as np

from rows import CLASS_NAMES, Encoder, Job, build_rows


def build(a: argparse.Namespace) -> None:
    start = time.time()
    mix = {kind: float(weight) for kind, weight in (part.split("=") for part in a.mix.split(","))}
    jobs = [
        Job(
            a.corpus,
            a.squad,
            a.tokenizer,
            a.context,
            a.tokens / a.workers,
            mix,
            a.seed * 1000 + w,
            a.limit_chars,
            a.refusals,
            a.thesaurus,
        )
        for w in range(a.workers)
    ]
    if a.workers == 1:
        parts = [build_rows(jobs[0])]
    else:
        with multiprocessing.Pool(a.workers) as pool:
            parts = pool.map(build_rows, jobs)
    tokens, classes = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    order = np.random.default_rng(a.seed).permutation(len(tokens))
    np.save(a.out + ".tokens.npy", tokens[order])
    np.save(a.out + ".classes.npy", classes[order])
    report = {
        "rows": len(tokens),
        "tokens": tokens.size,
        "seconds": round(time.time() - start, 1),
        "shares": {name: round(float((classes == i).mean()), 4) for i, name in enumerate(CLASS_NAMES)},
        "examples": {kind: sum(part[2][kind] for part in parts) for kind in mix},
    }
    print(json.dumps(report))


def show(a: argparse.Namespace) -> None:
    encoder = Encoder(a.tokenizer)
    tokens = np.load(a.shard + ".tokens.npy", mmap_mode="r")
    for row in tokens[: a.rows]:
        print(encoder.decode([int(i) for i in row if i > 2]))
        print("=" * 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = parser.add_subparsers(dest="command", required=True)
    b = sub.add_parser("build")
    b.add_argument("--corpus", nargs="+", required=True, help="folders of shards of text and questions")
    b.add_argument("--squad", required=True)
    b.add_argument("--tokenizer", required=True)
    b.add_argument("--context", type=int, default=1024)
    b.add_argument("--tokens", type=float, default=10e6)
    b.add_argument("--mix", default="squad=4,human=3,read=2,key=1,code=1")
    b.add_argument("--workers", type=int, default=1)
    b.add_argument("--seed", type=int, default=1)
    b.add_argument("--limit-chars", type=float, help="read no more than this of the corpus, evenly of its files")
    b.add_argument("--refusals", type=float, default=0.3, help="share of the examples that also ask what is not there")
    b.add_argument("--thesaurus", help="other words for questions (thesaurus.py)")
    b.add_argument("--out", required=True)
    s = sub.add_parser("show")
    s.add_argument("--tokenizer", required=True)
    s.add_argument("--shard", required=True)
    s.add_argument("--rows", type=int, default=2)
    a = parser.parse_args()
    build(a) if a.command == "build" else show(a)


if __name__ == "__main__":
    main()
