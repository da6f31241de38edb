"""The span pointer: where in a passage the answer to a question begins and ends, from hidden states of a frozen language model.

Attention flows between passage and question as in BiDAF (Seo et al., arXiv:1611.01603), over the model's states instead of word
vectors; start and end point into the passage (Wang and Jiang, arXiv:1608.07905), and "no answer" competes with the spans.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pointer_text import FLAGS

# Tokens a span has at most behind its first.
LONGEST = 20
NEVER = -1e4


class PointerNetwork(nn.Module):
    """`width`: of the passage's states, which the question's have as well; `hidden`: of everything behind the first product."""

    def __init__(self, width: int, hidden: int = 128, drop: float = 0.3):
        super().__init__()
        self.project = nn.Linear(width, hidden)
        self.passage = nn.Linear(hidden, 1, bias=False)
        self.question = nn.Linear(hidden, 1, bias=False)
        self.both = nn.Parameter(torch.full((hidden,), hidden**-0.5))
        self.merge = nn.Linear(4 * hidden, hidden)
        self.flags = nn.Linear(FLAGS, hidden, bias=False)
        self.first = nn.GRU(hidden, hidden // 2, bidirectional=True, batch_first=True)
        self.second = nn.GRU(hidden, hidden // 2, bidirectional=True, batch_first=True)
        self.start = nn.Linear(2 * hidden, 1)
        self.end = nn.Linear(2 * hidden, 1)
        self.pool = nn.Linear(2 * hidden, 1)
        self.none = nn.Linear(4 * hidden, 32)
        self.none_out = nn.Linear(32, 1)
        self.drop = nn.Dropout(drop)

    def forward(
        self, passage: Tensor, question: Tensor, flags: Tensor, lengths: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(start [batch, n], end [batch, n], none [batch]) logits; passage [batch, n, width], question [batch, k, width],
        flags [batch, n, FLAGS], lengths of both [batch]."""
        here, asked = (
            torch.arange(x.shape[1]) < n[:, None] for x, n in ((passage, lengths[0]), (question, lengths[1]))
        )
        # Dimensions of the states are dropped for a whole batch: cheaper than one by one, and as good a lesson.
        weight = self.project.weight * self.drop(torch.ones(1, passage.shape[-1]))
        p, q = (torch.tanh(F.linear(x, weight, self.project.bias)) for x in (passage, question))
        similarity = self.passage(p) + self.question(q).transpose(1, 2) + (p * self.both) @ q.transpose(1, 2)
        similarity = similarity.masked_fill(~asked[:, None], NEVER)
        attended = similarity.softmax(-1) @ q
        relevance = similarity.max(-1).values.masked_fill(~here, NEVER).softmax(-1)
        summary = relevance[:, None] @ p
        merged = torch.cat((p, attended, p * attended, p * summary), dim=-1)
        g = torch.tanh(self.merge(self.drop(merged)) + self.flags(flags))
        m = recur(self.first, self.drop(g), lengths[0])
        m2 = recur(self.second, self.drop(m), lengths[0])
        h = self.drop(torch.cat((g + m, m2), dim=-1))
        start, end, weight = (layer(h)[..., 0].masked_fill(~here, NEVER) for layer in (self.start, self.end, self.pool))
        mean = (weight.softmax(-1)[:, None] @ h)[:, 0]
        most = h.masked_fill(~here[..., None], NEVER).max(1).values
        none = self.none_out(torch.tanh(self.none(torch.cat((mean, most), dim=-1))))
        return start, end, none[:, 0]


def recur(layer: nn.GRU, x: Tensor, lengths: Tensor) -> Tensor:
    """What the layer makes of [batch, n, width], the second direction from each row's own end on: [batch, n, 2 * units].

    Both directions step together over gates that are unbound once: PyTorch's own layer slices them step by step on a CPU, and the
    gradient of every slice is as large as the whole.
    """
    at = torch.arange(x.shape[1])[None]
    reverse = torch.where(at < lengths[:, None], lengths[:, None] - 1 - at, at)

    def turned(rows: Tensor) -> Tensor:
        return rows.gather(1, reverse[..., None].expand(-1, -1, rows.shape[-1]))

    gates = torch.stack(
        (
            F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0),
            F.linear(turned(x), layer.weight_ih_l0_reverse, layer.bias_ih_l0_reverse),
        )
    )
    weight = torch.stack((layer.weight_hh_l0.t(), layer.weight_hh_l0_reverse.t()))
    bias = torch.stack((layer.bias_hh_l0, layer.bias_hh_l0_reverse))[:, None]
    units = layer.hidden_size
    state = x.new_zeros(2, x.shape[0], units)
    states = []
    for step in gates.unbind(2):
        both, fresh = step.split((2 * units, units), dim=-1)
        both_before, fresh_before = torch.baddbmm(bias, state, weight).split((2 * units, units), dim=-1)
        reset, update = torch.sigmoid(both + both_before).chunk(2, dim=-1)
        fresh = torch.tanh(fresh + reset * fresh_before)
        state = fresh + update * (state - fresh)
        states.append(state)
    forward, backward = torch.stack(states, dim=2)
    return torch.cat((forward, turned(backward)), dim=-1)


def span_logits(start: Tensor, end: Tensor) -> Tensor:
    """[batch, n, n]: of every span from its first to its last token, NEVER for what is none."""
    n = start.shape[1]
    is_span = torch.ones(n, n).triu().tril(LONGEST).bool()
    return (start[:, :, None] + end[:, None, :]).masked_fill(~is_span, NEVER)


def pointer_loss(output: tuple[Tensor, Tensor, Tensor], places: list[list[tuple[int, int]]]) -> Tensor:
    """Mean over questions: -ln p of any annotated span among the spans, and half that of answerable or not."""
    start, end, none = output
    spans = span_logits(start, end)
    total = spans.flatten(1).logsumexp(1)
    loss = torch.zeros(())
    for row, own in enumerate(places):
        if own:
            right = torch.stack([spans[row, first, min(last, first + LONGEST)] for first, last in own])
            loss = loss + total[row] - right.logsumexp(0) + 0.5 * F.softplus(none[row] - total[row])
        else:
            loss = loss + 0.5 * F.softplus(total[row] - none[row])
    return loss / len(places)
