"""The span pointer: where in a passage the answer to a question begins and ends, from hidden states of a frozen language model.

Attention flows between passage and question as in BiDAF (Seo et al., arXiv:1611.01603), over the model's states instead of word
vectors; start and end point into the passage (Wang and Jiang, arXiv:1608.07905), and "no answer" competes with the spans.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from pointer_text import FLAGS

# Tokens a span has at most behind its first.
LONGEST = 20
NEVER = -1e4
# Tokens in which nearness to an answer falls to 1/e, and what is left of it far away.
NEAR, FAR = 12.0, 1e-4


@dataclass
class Seen:
    """`passages` [passages, n, width] and `question` [questions, k, width] are states; `passage` [questions] says which passage each
    is about; flags [questions, n, FLAGS] and `question_flags` [questions, k, FLAGS]; `lengths` of the passage and of the question,
    [questions] each."""

    passages: Tensor
    question: Tensor
    passage: Tensor
    flags: Tensor
    question_flags: Tensor
    lengths: tuple[Tensor, Tensor]


class PointerNetwork(nn.Module):
    """`width`: of the states of a text's tokens; `hidden`: of everything behind the first product."""

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
        self.near = nn.Parameter(torch.ones(1))
        self.check = nn.Linear(4 * hidden, hidden)
        self.check_flags = nn.Linear(FLAGS, hidden, bias=False)
        self.pool = nn.Linear(2 * hidden, 1)
        self.none = nn.Linear(8 * hidden, 64)
        self.none_out = nn.Linear(64, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
        """(start [questions, n], end [questions, n], none [questions]) logits."""
        here, asked = (
            torch.arange(x.shape[1], device=x.device) < n[:, None]
            for x, n in ((seen.flags, seen.lengths[0]), (seen.question, seen.lengths[1]))
        )
        # Dimensions of the states are dropped for a whole batch: cheaper than one by one, and as good a lesson.
        ones = torch.ones(1, seen.passages.shape[-1], device=here.device)
        weight = self.project.weight * self.drop(ones)
        p, q = (torch.tanh(F.linear(x, weight, self.project.bias)) for x in (seen.passages, seen.question))
        p = p[seen.passage]
        similarity = self.passage(p) + self.question(q).transpose(1, 2) + (p * self.both) @ q.transpose(1, 2)
        similarity = similarity.masked_fill(~asked[:, None], NEVER).masked_fill(~here[:, :, None], NEVER)
        attended = similarity.softmax(-1) @ q
        relevance = similarity.max(-1).values.softmax(-1)
        summary = relevance[:, None] @ p
        merged = torch.cat((p, attended, p * attended, p * summary), dim=-1)
        g = torch.tanh(self.merge(self.drop(merged)) + self.flags(seen.flags))
        m = recur(self.first, self.drop(g), seen.lengths[0])
        m2 = recur(self.second, self.drop(m), seen.lengths[0])
        h = self.drop(torch.cat((g + m, m2), dim=-1))
        start, end, weight = (layer(h)[..., 0].masked_fill(~here, NEVER) for layer in (self.start, self.end, self.pool))
        # Whether the words of the question stand near the likeliest answers.
        likely = (start.softmax(-1) + end.softmax(-1)).detach() / 2
        near = (likely @ nearness(likely.shape[1], likely.device) + FAR).log()
        found = (similarity + self.near * near[..., None]).transpose(1, 2).softmax(-1) @ p
        checked = self.check(self.drop(torch.cat((q, found, q * found, (q - found).abs()), dim=-1)))
        checked = torch.tanh(checked + self.check_flags(seen.question_flags))
        parts = (
            (likely[:, None] @ h)[:, 0],
            (weight.softmax(-1)[:, None] @ h)[:, 0],
            h.masked_fill(~here[..., None], NEVER).max(1).values,
            (checked * asked[..., None]).sum(1) / asked.sum(1, keepdim=True),
            checked.masked_fill(~asked[..., None], NEVER).max(1).values,
        )
        none = self.none_out(torch.tanh(self.none(self.drop(torch.cat(parts, dim=-1)))))
        return start, end, none[:, 0]


def nearness(length: int, device: torch.device) -> Tensor:
    """[length, length]: how near two tokens are, 1 for the same."""
    at = torch.arange(length, device=device)
    return torch.exp(-(at[:, None] - at).abs() / NEAR)


def recur(layer: nn.GRU, x: Tensor, lengths: Tensor) -> Tensor:
    """What the layer makes of [batch, n, width], the second direction from each row's own end on: [batch, n, 2 * units].

    Both directions step together over gates that are unbound once: PyTorch's own layer slices them step by step on a CPU, and the
    gradient of every slice is as large as the whole.
    """
    if x.is_cuda:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=x.shape[1])[0]
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
    is_span = torch.ones(n, n, device=start.device).triu().tril(LONGEST).bool()
    return (start[:, :, None] + end[:, None, :]).masked_fill(~is_span, NEVER)


def span_total(start: Tensor, end: Tensor) -> Tensor:
    """[batch]: ln of the sum of all spans' e^logit."""
    n = start.shape[1]
    later = F.pad(end, (0, LONGEST), value=NEVER).unfold(1, LONGEST + 1, 1)[:, :n].logsumexp(-1)
    return (start + later).logsumexp(1)


def pointer_loss(
    output: tuple[Tensor, Tensor, Tensor], places: list[list[tuple[int, int]]], unsure: float = 1.0
) -> Tensor:
    """Mean over questions: -ln p of any annotated span among the spans, and `unsure` times that of answerable or not."""
    start, end, none = output
    total = span_total(start, end)
    rows = [(row, first, min(last, first + LONGEST)) for row, own in enumerate(places) for first, last in own]
    is_answered = torch.tensor([bool(own) for own in places], device=start.device)
    odds = total - none
    loss = unsure * F.softplus(torch.where(is_answered, -odds, odds)).sum()
    if rows:
        row, first, last = torch.tensor(rows, device=start.device).t()
        right = start[row, first] + end[row, last]
        # The sum over a question's own places, without an infinity where it has none.
        most = torch.full_like(total, NEVER).scatter_reduce(0, row, right.detach(), "amax")
        sums = torch.zeros_like(total).index_add(0, row, (right - most[row]).exp())
        loss = loss + (total - most - sums.clamp_min(1e-30).log())[is_answered].sum()
    return loss / len(places)
