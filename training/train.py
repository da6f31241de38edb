"""Trains the reading model on the rows that data.py built: on a CPU or one NVIDIA GPU; stops and resumes anywhere.

    python train.py --data shards/a shards/b --run runs/mini --minutes 120 --slice-minutes 9.5

The run's folder holds state.pt (compact, for resuming), weights.pt (float16, for evaluating and exporting) and log.jsonl. Called again
with the same folder it goes on where it stopped; with other shards it starts those from their beginning.
"""

import argparse
import json
import math
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from batches import Batch, loss_weights, read_batches, shard_sizes
from checkpoint import load_optimizer, load_weights, save_state, save_weights
from model import Config, Model
from optimizer import Optimizer, rate_share
from progress import Meter, fastest_type, peak_flops
from ranks import Ranks
from rows import CLASS_NAMES
from stream import RowStream, read_recipe


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", default=[], help="shards in the order to read them")
    parser.add_argument("--recipe", help="stages of rows to make while training (stream.py), instead of --data; needs --minutes")
    parser.add_argument("--corpus", nargs="+", help="folders of text and questions, with --recipe")
    parser.add_argument("--squad", help="with --recipe")
    parser.add_argument("--tokenizer", help="with --recipe")
    parser.add_argument("--thesaurus", help="other words for questions (thesaurus.py), with --recipe")
    parser.add_argument("--workers", type=int, default=8, help="processes that make rows, with --recipe")
    parser.add_argument("--run", required=True, help="folder of the run; resumed when it holds state.pt")
    parser.add_argument("--init", help="weights to start a new run from")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--compute", choices=["auto", "bfloat16", "float32"], default="auto", help="auto: whichever this device is faster in"
    )
    shape = Config()
    for name in ("vocab", "dim", "layers", "heads", "kv_heads", "head_dim", "hidden"):
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=getattr(shape, name))
    parser.add_argument(
        "--context", type=int, default=0, help="trained context to record; default: the longest row so far"
    )
    parser.add_argument("--theta", type=float, default=0, help="RoPE base; default: that of --init, or 10000")
    parser.add_argument("--interpolation", type=float, default=0, help="positions are divided by this; default: that of --init, or 1")
    parser.add_argument(
        "--groups", type=int, default=1, help="groups of LongLoRA's shifted sparse attention; 1: full attention"
    )
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--micro-tokens", type=int, default=8192, help="tokens a forward pass; the rest is accumulated")
    parser.add_argument("--peak", type=float, default=0.02, help="Muon's rate")
    parser.add_argument("--peak-embed", type=float, default=0.003, help="AdamW's rate")
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--warmup", type=float, default=0.02, help="share of the run")
    parser.add_argument("--cooldown", type=float, default=0.3, help="share of the run")
    parser.add_argument(
        "--weights", default="0,0.25,0.3,3,8", help="of padding, context, question, answer and first answer tokens"
    )
    parser.add_argument(
        "--context-share", type=float, default=0.3, help="share of the context tokens that are predicted"
    )
    parser.add_argument(
        "--minutes", type=float, default=0, help="length of the whole run; 0: as long as the shards last"
    )
    parser.add_argument("--slice-minutes", type=float, default=math.inf, help="stop this call after so long")
    parser.add_argument("--stop-at", help="HH:MM (UTC) at which the run is to end")
    parser.add_argument("--save-minutes", type=float, default=5)
    parser.add_argument("--state-mib", type=float, default=64, help="limit of state.pt")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument(
        "--peak-tflops", type=float, default=0, help="what utilisation is measured against; default: measured"
    )
    parser.add_argument("--tag", default="", help="a word to recognise the process by")
    a = parser.parse_args()
    if bool(a.data) == bool(a.recipe):
        parser.error("give either --data or --recipe")
    if a.data and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        parser.error("several processes need --recipe: shards would be read by each of them")
    if a.recipe and not (a.corpus and a.squad and a.tokenizer and a.minutes):
        parser.error("--recipe needs --corpus, --squad, --tokenizer and --minutes")
    return a


class Run:
    """One call of the trainer: model, optimiser, clock and the files of the run."""

    def __init__(self, a: argparse.Namespace, ranks: Ranks):
        self.a, self.folder, self.ranks = a, Path(a.run), ranks
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state_path = self.folder / "state.pt"
        self.resumed = self.state_path.exists()
        source = self.state_path if self.resumed else a.init
        compute = fastest_type(a.device) if a.compute == "auto" else getattr(torch, a.compute)
        changes = {k: v for k, v in (("theta", a.theta), ("interpolation", a.interpolation), ("context", a.context)) if v}
        if source:
            self.model, extra = load_weights(source, compute, ranks.device, **changes)
        else:
            shape = {n: getattr(a, n) for n in ("vocab", "dim", "layers", "heads", "kv_heads", "head_dim", "hidden")}
            self.model, extra = Model(Config(**shape, **changes), compute).to(ranks.device), {}
        for block in self.model.blocks:
            block.groups = a.groups
        self.optimizer = Optimizer(self.model, a.peak, a.peak_embed, a.decay)
        counters = extra if self.resumed else {}
        if self.resumed:
            load_optimizer(self.state_path, self.optimizer)
        self.seen, self.step = counters.get("tokens", 0), counters.get("step", 0)
        self.seconds = counters.get("seconds", 0.0)
        # Shards other than last time's are a new stage: its schedule and its place in the data start anew.
        same = counters.get("data") == a.data
        self.stage_seen, self.stage_seconds, self.cursor = (
            counters.get("stage", (0, 0.0, (0, 0))) if same else (0, 0.0, (0, 0))
        )
        self.before = (self.seen - self.stage_seen, self.seconds - self.stage_seconds)
        self.start = time.time()
        self.end = self.start + min(a.slice_minutes * 60, seconds_until(a.stop_at))
        self.stage_tokens = sum(shard_sizes(a.data)) or math.inf
        self.stop_requested = False
        self.progress = 0.0
        self.advance()

    def advance(self) -> None:
        """Brings `progress` up to date, the same in every process: the share of the stage that is over, 1 when this call is to end."""
        ended = time.time() >= self.end or self.stop_requested
        self.progress = self.ranks.agree(1.0 if ended else self.share_over())

    def share_over(self) -> float:
        """By tokens or by the clock, whichever is further."""
        elapsed = self.stage_seconds + time.time() - self.start
        whole = self.a.minutes * 60 or math.inf
        if self.a.stop_at:
            whole = min(whole, self.stage_seconds + seconds_until(self.a.stop_at, self.start))
        return max(self.stage_seen / self.stage_tokens, elapsed / whole)

    def save(self) -> None:
        if self.ranks.rank > 0:
            return
        elapsed = time.time() - self.start
        stage_seconds = self.stage_seconds + elapsed
        extra = {
            "tokens": self.before[0] + self.stage_seen,
            "seconds": self.before[1] + stage_seconds,
            "step": self.step,
            "data": self.a.data,
            "stage": (self.stage_seen, stage_seconds, self.cursor),
        }
        left_out = save_state(self.state_path, self.model, self.optimizer, extra, int(self.a.state_mib * 2**20))
        save_weights(
            self.folder / "weights.pt", self.model, {"tokens": extra["tokens"], "seconds": round(extra["seconds"])}
        )
        if left_out:
            self.log({"left_out_of_state": left_out})

    def log(self, line: dict) -> None:
        if self.ranks.rank > 0:
            return
        print(json.dumps(line), flush=True)
        with (self.folder / "log.jsonl").open("a") as f:
            f.write(json.dumps(line) + "\n")


def seconds_until(clock: str | None, now: float | None = None) -> float:
    """Seconds to the next HH:MM (UTC)."""
    if not clock:
        return math.inf
    moment = datetime.fromtimestamp(now or time.time(), UTC)
    hour, minute = map(int, clock.split(":"))
    return ((hour - moment.hour) * 3600 + (minute - moment.minute) * 60 - moment.second) % 86400


def train_step(run: Run, batch: Batch, table: torch.Tensor, generator: torch.Generator, meter: Meter) -> None:
    a, device = run.a, run.ranks.device
    weights = loss_weights(batch.classes[:, 1:], table, a.context_share, generator)
    tokens = batch.tokens.to(device, non_blocking=True)
    rows = max(1, a.micro_tokens // (batch.tokens.shape[1] - 1))
    for i in range(0, len(batch.tokens), rows):
        x, weighted = tokens[i : i + rows], weights[i : i + rows].reshape(-1)
        # Found on the host: on a GPU it would have to be waited for.
        index = weighted.nonzero()[:, 0]
        classes = batch.classes[i : i + rows, 1:].reshape(-1)[index].to(device, non_blocking=True)
        total, losses = run.model.loss(x[:, :-1], x[:, 1:], weighted[index].to(device), index.to(device))
        total.backward()
        meter.add(losses, classes)
    run.ranks.average_gradients(run.model)
    run.optimizer.step(rate_share(run.progress, a.warmup, a.cooldown))
    run.stage_seen += batch.tokens.shape[0] * (batch.tokens.shape[1] - 1) * run.ranks.count
    run.step += 1


def main() -> None:
    a = parse_arguments()
    torch.manual_seed(a.seed)
    stream = None
    if a.recipe:
        recipe = read_recipe(a.recipe)
        stream = RowStream(recipe, a.corpus, a.squad, a.tokenizer, a.batch_tokens, a.workers, a.seed, a.thesaurus)
    # Behind the row stream: its processes must not inherit a GPU.
    ranks = Ranks(a.device)
    run = Run(a, ranks)
    if a.compile:
        # Blocks share their code, so compiling one by one is compiled once.
        for block in run.model.blocks:
            block.compile(dynamic=False)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: setattr(run, "stop_requested", True))
    table = torch.tensor([float(x) for x in a.weights.split(",")])
    generator = torch.Generator().manual_seed(a.seed + run.step + 7919 * ranks.rank)
    meter = Meter(run.model, CLASS_NAMES, a.peak_tflops * 1e12 or peak_flops(a.device, run.model.compute))
    run.log(
        {
            "parameters": run.model.parameters_count(),
            "compute": str(run.model.compute).removeprefix("torch."),
            "resumed": run.resumed,
            "processes": ranks.count,
            "stage_tokens": run.stage_tokens,
            "peak_tflops": round(meter.peak / 1e12, 2),
            "pid": os.getpid(),
            "arguments": vars(a),
        }
    )
    last_save = time.time()
    if stream:
        rows = stream.batches(lambda: run.progress)
    else:
        rows = read_batches(a.data, a.batch_tokens, a.seed, run.cursor, lambda: run.progress)
    for batch in rows:
        run.advance()
        if run.progress >= 1:
            break
        config = run.model.config
        if not a.context and batch.tokens.shape[1] - 1 > config.context:
            config.context = batch.tokens.shape[1] - 1
        train_step(run, batch, table, generator, meter)
        run.cursor = batch.following
        meter.count(batch.tokens.shape[0] * (batch.tokens.shape[1] - 1), batch.tokens.shape[1] - 1)
        if meter.is_due():
            share = rate_share(run.progress, a.warmup, a.cooldown)
            run.log(
                {
                    "step": run.step,
                    "tokens": run.before[0] + run.stage_seen,
                    "progress": round(run.progress, 4),
                    "rate": round(share, 4),
                    **meter.report(),
                    "data": Path(batch.shard).name,
                }
            )
        if time.time() - last_save > a.save_minutes * 60:
            run.save()
            last_save = time.time()
    if stream:
        stream.close()
    run.save()
    ranks.close()
    run.log({"stopped": True, "tokens": run.before[0] + run.stage_seen, "progress": round(run.progress, 4)})


if __name__ == "__main__":
    main()
