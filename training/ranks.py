"""Training on several GPUs of one machine: each process (torchrun) reads rows of its own, and their gradients are averaged."""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Ranks:
    """This process among those of the run; alone when torchrun did not start it."""

    def __init__(self, device: str):
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.device = device
        if self.count == 1:
            return
        if device.startswith("cuda"):
            self.device = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(self.device)
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo")

    def agree(self, value: float) -> float:
        """The first process's value, exchanged on the host so that no GPU is waited for: all take the same decisions from it."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared)

    def average_gradients(self, model: nn.Module) -> None:
        """Replaces every gradient by its mean over the processes."""
        if self.count == 1:
            return
        gradients: list[Tensor] = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        for g, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            g.copy_(part.view_as(g))

    def close(self) -> None:
        if self.count > 1:
            dist.destroy_process_group()
