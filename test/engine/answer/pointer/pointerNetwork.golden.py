"""Golden vectors for pointerNetwork.test.ts from PyTorch: a small pointer network with random weights.

    python pointerNetwork.golden.py > pointerNetwork.golden.json     (torch, numpy; training/ is read from this checkout)
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[4] / "training"))
from pointer_network import PointerNetwork, Seen, span_logits  # noqa: E402
from pointer_text import FLAGS  # noqa: E402

WIDTH, HIDDEN = 6, 4
torch.manual_seed(3)
network = PointerNetwork(WIDTH, HIDDEN).eval()
network.near.data.fill_(1.7)
cases = []
with torch.no_grad():
    for tokens, asked in ((9, 4), (1, 1), (25, 7)):
        passage, question = torch.randn(1, tokens, WIDTH), torch.randn(1, asked, WIDTH)
        flags = (torch.rand(1, tokens, FLAGS) > 0.5).float()
        question_flags = (torch.rand(1, asked, FLAGS) > 0.5).float()
        lengths = torch.tensor([tokens]), torch.tensor([asked])
        start, end, none = network(Seen(passage, question, torch.tensor([0]), flags, question_flags, lengths))
        total = span_logits(start, end).flatten().logsumexp(0)
        inputs = {"passage": passage, "question": question, "flags": flags, "questionFlags": question_flags}
        case = {name: [round(v, 6) for v in x.flatten().tolist()] for name, x in inputs.items()}
        found = {"start": start, "end": end, "none": none, "total": total}
        cases.append({**case, **{name: [round(v, 5) for v in x.flatten().tolist()] for name, x in found.items()}})
weights = {name: [round(v, 6) for v in p.flatten().tolist()] for name, p in network.state_dict().items()}
print(json.dumps({"weights": weights, "cases": cases}))
