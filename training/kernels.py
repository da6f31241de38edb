"""Attention, through PyTorch's flash attention on every device, and the loss."""

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
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def shifted_sparse_attention(q: Tensor, k: Tensor, v: Tensor, groups: int) -> Tensor:
    """LongLoRA's S2-Attn (arXiv:2309.12307), for training only: causal attention within `groups` groups of the row, whose borders lie
    half a group later for the second half of the heads. Shapes as in causal_attention; the row divides into 2 * groups parts.

    The paper rolls the shifted heads around, so that the row's end attends to its beginning; here the two halves that are left over stay
    apart, and nothing sees the future.
    """
    k, v = repeat_heads(q, k, v)
    half = q.shape[1] // 2
    size = q.shape[2] // groups
    straight = grouped_attention(q[:, :half], k[:, :half], v[:, :half], size)
    q, k, v = q[:, half:], k[:, half:], v[:, half:]
    cuts = (slice(0, size // 2), slice(size // 2, -(size // 2)), slice(-(size // 2), None))
    shifted = [
        grouped_attention(q[:, :, cut], k[:, :, cut], v[:, :, cut], min(size, q[:, :, cut].shape[2]))
        for cut in (cuts if groups > 1 else (slice(None),))
    ]
    return torch.cat((straight, torch.cat(shifted, dim=2)), dim=1)


def grouped_attention(q: Tensor, k: Tensor, v: Tensor, size: int) -> Tensor:
    """Causal attention within groups of `size` tokens, which divides the row."""
    batch, heads, length, width = q.shape
    parts = (x.reshape(batch, heads * (length // size), size, width) for x in (q, k, v))
    return causal_attention(*parts).reshape(batch, heads, length, width)


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
