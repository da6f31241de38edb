"""Attention and the loss, written so that a CPU without fused kernels stays quick and CUDA uses PyTorch's flash attention."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


class WeightedLoss(torch.autograd.Function):
    """Sum over positions of weight * cross entropy, its gradient taken in the forward pass: no float32 logits are kept."""

    @staticmethod
    def forward(ctx, h: Tensor, embed: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        logits = h @ embed.t()
        rows = torch.arange(h.shape[0], device=h.device)
        top = logits.max(dim=-1, keepdim=True).values
        p = (logits - top).exp_()
        # A matrix product adds in float32 where a bfloat16 sum over the vocabulary would not.
        total = (p @ torch.ones(p.shape[1], 1, dtype=p.dtype, device=p.device)).float()
        losses = (total.log() + top - logits[rows, targets][:, None])[:, 0].float()
        p.mul_((weights[:, None] / total).to(p.dtype))
        p[rows, targets] -= weights.to(p.dtype)
        ctx.save_for_backward(p @ embed, p.t() @ h)
        return (losses * weights).sum(), losses

    @staticmethod
    def backward(ctx, grad: Tensor, _):
        dh, de = ctx.saved_tensors
        return dh * grad.to(dh.dtype), de * grad.to(de.dtype), None, None


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(headDim)) v, causal. q: [batch, heads, length, headDim]; k, v: [batch, kvHeads, length, headDim]."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    return chunked_attention(q / math.sqrt(q.shape[-1]), *repeat_heads(q, k, v))


def cached_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Like causal_attention, for queries that are the last of a longer row of keys."""
    length, past = q.shape[2], k.shape[2] - q.shape[2]
    if past == 0:
        return causal_attention(q, k, v)
    k, v = repeat_heads(q, k, v)
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
    if length > 1:
        scores[..., past:] += torch.full((length, length), -math.inf, device=q.device, dtype=q.dtype).triu(1)
    return torch.softmax(scores, dim=-1) @ v


def repeat_heads(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    group = q.shape[1] // k.shape[1]
    return (k, v) if group == 1 else (k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1))


def chunked_attention(q: Tensor, k: Tensor, v: Tensor, chunk: int = 256) -> Tensor:
    """Causal attention over chunks of queries, each reading only the keys it may see. q is scaled already."""
    length = q.shape[2]
    chunk = min(chunk, length)
    mask = torch.full((chunk, chunk), -math.inf, device=q.device, dtype=q.dtype).triu(1)
    out = []
    for start in range(0, length, chunk):
        end = min(start + chunk, length)
        scores = q[:, :, start:end] @ k[:, :, :end].transpose(-1, -2)
        # Out of place: compiled graphs may not change a view they must differentiate.
        diagonal = scores[..., start:end] + mask[: end - start, : end - start]
        scores = torch.cat((scores[..., :start], diagonal), dim=-1) if start else diagonal
        out.append(torch.softmax(scores, dim=-1) @ v[:, :, :end])
    return torch.cat(out, dim=2)
