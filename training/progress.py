"""What a run prints: mean loss of each class of tokens, tokens a second, and utilisation (achieved over peak FLOP/s)."""

import time

import torch
from torch import Tensor

from model import Model

LOG_SECONDS = 20


def peak_flops(device: str, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix product, measured: the practical ceiling on any device."""
    size = 8192 if device.startswith("cuda") else 1024
    a = torch.randn(size, size, device=device).to(dtype)
    best = float("inf")
    for _ in range(6):
        synchronise(device)
        start = time.perf_counter()
        a @ a
        synchronise(device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def fastest_type(device: str) -> torch.dtype:
    """bfloat16 where the device multiplies it faster than float32: a CPU without instructions for it is several times slower."""
    types = (torch.bfloat16, torch.float32)
    return max(types, key=lambda dtype: peak_flops(device, dtype))


def synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


class Meter:
    def __init__(self, model: Model, class_names: tuple[str, ...], peak: float):
        self.model, self.class_names, self.peak = model, class_names, peak
        self.reset()

    def reset(self) -> None:
        self.sums: list[Tensor] = []
        self.tokens, self.flops, self.predicted, self.start = 0, 0.0, 0, time.time()

    def add(self, losses: Tensor, classes: Tensor) -> None:
        """Losses of the predicted positions; kept on the device, so that nothing waits for it."""
        onehot = torch.nn.functional.one_hot(classes, len(self.class_names)).float()
        self.sums.append(torch.stack((losses.detach().float() @ onehot, onehot.sum(0))))
        self.predicted += len(classes)

    def count(self, tokens: int, length: int) -> None:
        self.tokens += tokens
        share = min(1.0, self.predicted / max(1, self.tokens))
        self.flops += tokens * self.model.flops_per_token(length, share)

    def is_due(self) -> bool:
        return time.time() - self.start > LOG_SECONDS

    def report(self) -> dict:
        """Figures since the last report."""
        total = torch.stack(self.sums).sum(0).cpu()
        seconds = time.time() - self.start
        means = {
            name: round(float(total[0, i] / total[1, i]), 4)
            for i, name in enumerate(self.class_names)
            if total[1, i] > 0
        }
        line = {
            **means,
            "tokens_per_second": round(self.tokens / seconds),
            "utilisation": round(self.flops / seconds / self.peak, 3),
        }
        self.reset()
        return line
