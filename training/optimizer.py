"""Muon for the matrices inside the blocks (momentum orthogonalised by Newton-Schulz iterations), AdamW for the rest."""

import torch
from torch import Tensor

from model import Model


def newton_schulz(gradients: Tensor, dtype: torch.dtype, steps: int = 5) -> Tensor:
    """Roughly the nearest semi-orthogonal matrices of a batch [n, rows, cols] (Muon, Jordan et al. 2024)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = gradients.to(dtype)
    x = x / (x.float().flatten(1).norm(dim=1)[:, None, None].to(x.dtype) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    for _ in range(steps):
        y = x @ x.transpose(1, 2)
        x = a * x + (b * y + c * (y @ y)) @ x
    return x.transpose(1, 2) if tall else x


class Muon:
    """Nesterov momentum, orthogonalised; matrices of one shape are updated in one batch."""

    def __init__(
        self, parameters: dict[str, Tensor], dtype: torch.dtype, momentum: float = 0.95, decay: float = 0.0
    ):
        self.dtype, self.momentum, self.decay = dtype, momentum, decay
        self.buffers = {name: torch.zeros_like(p) for name, p in parameters.items()}
        self.groups: dict[tuple[int, ...], list[tuple[str, Tensor]]] = {}
        for name, p in parameters.items():
            self.groups.setdefault(tuple(p.shape), []).append((name, p))

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for shape, members in self.groups.items():
            updates = []
            for name, p in members:
                m = self.buffers[name].mul_(self.momentum).add_(p.grad)
                updates.append(p.grad + self.momentum * m)
            scale = rate * max(1.0, shape[0] / shape[1]) ** 0.5
            for (_, p), update in zip(members, newton_schulz(torch.stack(updates), self.dtype).float(), strict=True):
                p.mul_(1 - rate * self.decay).add_(update, alpha=-scale)


class Optimizer:
    """Both optimisers behind one step; `others` are the embedding and the norms."""

    def __init__(self, model: Model, peak: float, peak_embed: float, decay: float):
        matrices = {n: p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n}
        self.others = {n: p for n, p in model.named_parameters() if n not in matrices}
        self.peak, self.peak_embed = peak, peak_embed
        self.muon = Muon(matrices, model.compute, decay=decay)
        self.adam = torch.optim.AdamW(self.others.values(), lr=0.0, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0)
        self.model = model

    def step(self, share: float) -> None:
        """One update at `share` of the peak rates, from the gradients in place; clears them."""
        torch.nn.utils.clip_grad_norm_(list(self.others.values()), 1.0)
        self.muon.step(self.peak * share)
        for group in self.adam.param_groups:
            group["lr"] = self.peak_embed * share
        self.adam.step()
        for p in self.model.parameters():
            p.grad = None


def rate_share(progress: float, warmup: float, cooldown: float, floor: float = 0.05) -> float:
    """Share of the peak rate at a progress of 0 to 1: a ramp up, level, and a ramp down over the last `cooldown` of the run."""
    if progress < warmup:
        return progress / warmup
    if progress > 1 - cooldown:
        return floor + (1 - floor) * max(0.0, 1 - progress) / cooldown
    return 1.0
