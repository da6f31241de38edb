"""Checkpoints: the weights alone (float16 or float32), or a compact state to resume training from.

The compact state holds float16 weights, Muon's momentum as int8 with a scale per row and AdamW's moments as bfloat16. What does not
fit the limit is left out, momentum first: it is rebuilt within some fifty steps. Files are replaced atomically.
"""

import os
from pathlib import Path

import torch
from torch import Tensor

from model import Config, Model
from optimizer import Optimizer


def write(path: str | Path, data: dict) -> None:
    """Writes beside the file and renames, so that a kill leaves the old file or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    torch.save(data, temporary)
    os.replace(temporary, path)


def save_weights(path: str | Path, model: Model, extra: dict | None = None) -> None:
    """float16 weights with their shape; what evaluate.py, export_gguf.py and `train.py --init` read."""
    state = {name: p.detach().cpu().half() for name, p in model.state_dict().items()}
    write(path, {"config": model.config.to_dict(), "state": state, "extra": extra or {}})


def load_weights(
    path: str | Path, compute: torch.dtype = torch.float32, device: str = "cpu", **changes: float
) -> tuple[Model, dict]:
    """(model in float32 that computes in `compute`, what was saved beside it); `changes` replace fields of its Config."""
    data = torch.load(path, map_location="cpu", weights_only=True)
    model = Model(Config(**{**data["config"], **changes}), compute)
    model.load_state_dict({name: p.float() for name, p in data["state"].items()})
    return model.to(device), data["extra"]


def save_state(path: str | Path, model: Model, optimizer: Optimizer, extra: dict, limit_bytes: int) -> list[str]:
    """Saves what resuming needs within `limit_bytes`; returns the names of the parts that did not fit."""
    moments = optimizer.adam.state_dict()["state"]
    parts = {
        "adam": {
            i: (int(m["step"]), m["exp_avg"].bfloat16().cpu(), m["exp_avg_sq"].bfloat16().cpu())
            for i, m in moments.items()
        },
        "momentum": {name: quantise(m) for name, m in optimizer.muon.buffers.items()},
    }
    weights = {name: p.detach().cpu().half() for name, p in model.state_dict().items()}
    size = sum(p.numel() * 2 for p in weights.values())
    kept, missing = {}, []
    for name, part in parts.items():
        part_size = sum(t.numel() * t.element_size() for row in part.values() for t in row if isinstance(t, Tensor))
        if size + part_size <= limit_bytes:
            kept[name], size = part, size + part_size
        else:
            missing.append(name)
    write(path, {"config": model.config.to_dict(), "state": weights, "optimizer": kept, "extra": extra})
    return missing


@torch.no_grad()
def load_optimizer(path: str | Path, optimizer: Optimizer) -> None:
    """Restores the parts of the optimiser that the state at `path` holds."""
    kept = torch.load(path, map_location="cpu", weights_only=True).get("optimizer", {})
    for name, row in kept.get("momentum", {}).items():
        optimizer.muon.buffers[name].copy_(dequantise(*row))
    if kept.get("adam"):
        state = optimizer.adam.state_dict()
        state["state"] = {
            i: {"step": torch.tensor(float(step)), "exp_avg": mean.float(), "exp_avg_sq": square.float()}
            for i, (step, mean, square) in kept["adam"].items()
        }
        optimizer.adam.load_state_dict(state)


def quantise(x: Tensor) -> tuple[Tensor, Tensor]:
    """int8 rows and their float32 scales."""
    scale = x.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
    return (x / scale).round().to(torch.int8).cpu(), scale.float().cpu()


def dequantise(values: Tensor, scale: Tensor) -> Tensor:
    return values.float() * scale
