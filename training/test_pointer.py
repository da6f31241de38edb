"""Invariants of the span pointer's questions, batches and network: `python -m unittest` in this folder, a few seconds, no data needed."""

import random
import unittest

import torch
import torch.nn.functional as F

from passages import Question
from pointer_batches import batch_of, prepare
from pointer_network import LONGEST, PointerNetwork, Seen, pointer_loss, recur, span_logits, span_total
from pointer_questions import Group, swap_inside, without_sentence
from pointer_text import HEADER, answer_places, tokens_behind, word_flags
from rows import Encoder


class Pointer(unittest.TestCase):
    def test_units_step_as_pytorch_s_whatever_the_padding(self):
        layer = torch.nn.GRU(6, 3, bidirectional=True, batch_first=True)
        x = torch.randn(3, 9, 6)
        found = recur(layer, x, torch.tensor([9, 4, 1]))
        for row, length in enumerate((9, 4, 1)):
            expected = layer(x[row : row + 1, :length])[0][0]
            self.assertLess((found[row, :length] - expected).abs().max().item(), 1e-5)

    def test_padding_changes_nothing(self):
        network = PointerNetwork(6, 4).eval()
        passages, question = torch.randn(2, 9, 6), torch.randn(3, 5, 6)
        flags, back, passage = torch.rand(3, 9, 5), torch.rand(3, 5, 5), torch.tensor([0, 1, 1])
        lengths = torch.tensor([9, 4, 4]), torch.tensor([5, 5, 2])
        both = network(Seen(passages, question, passage, flags, back, lengths))
        own = torch.tensor([4]), torch.tensor([2])
        alone = network(Seen(passages[1:, :4], question[2:, :2], torch.tensor([0]), flags[2:, :4], back[2:, :2], own))
        self.assertLess((both[0][2, :4] - alone[0][0]).abs().max().item(), 1e-4)
        self.assertLess((both[2][2] - alone[2][0]).abs().item(), 1e-4)

    def test_the_loss_falls_where_the_annotated_spans_are_likelier(self):
        start, end = torch.zeros(1, 6), torch.zeros(1, 6)
        sure = start.clone()
        sure[0, 2] = 5
        none = torch.zeros(1)
        level, better = (pointer_loss((x, end, none), [[(2, 3)]]) for x in (start, sure))
        self.assertLess(better.item(), level.item())
        self.assertEqual(span_logits(start, end)[0, 3, 2].item(), -1e4)

    def test_the_loss_is_that_of_every_question_by_itself(self):
        start, end, none = torch.randn(3, 30), torch.randn(3, 30), torch.randn(3)
        places = [[(2, 3), (7, 29)], [], [(29, 29)]]
        expected = 0.0
        for row, own in enumerate(places):
            spans = span_logits(start[row : row + 1], end[row : row + 1])[0]
            total = spans.flatten().logsumexp(0)
            self.assertLess((total - span_total(start, end)[row]).abs().item(), 1e-5)
            right = [spans[first, min(last, first + LONGEST)] for first, last in own]
            expected += F.softplus((none[row] - total) * (1 if own else -1)).item()
            expected += (total - torch.stack(right).logsumexp(0)).item() if own else 0
        self.assertAlmostEqual(pointer_loss((start, end, none), places).item(), expected / 3, places=4)

    def test_changed_questions_have_no_answer_where_the_passage_does_not_say(self):
        rng = random.Random(1)
        text = "In 1952 the Anna Society of Vienna was founded by Karl Moser. Later the Bertha Society of Graz followed in 1960, too."
        question = Question("When was the Anna Society founded?", ["1952"])
        changed = swap_inside(question, text, rng)
        self.assertIn(
            changed,
            {
                q.replace("Anna Society", n)
                for q in [question.text]
                for n in ("Vienna", "Karl Moser", "Bertha Society", "Graz")
            },
        )
        left, questions = without_sentence(
            text + " It is known for its large library in the old town of the city.", [question], rng
        )
        self.assertNotIn("1952", left)
        self.assertEqual([q.answers for q in questions], [[]])

    def test_batches_keep_a_passage_once_and_its_questions_apart(self):
        encoder = Encoder("tokenizer.model")
        asked = [Question("What met in 1999?", ["parliament"]), Question("Who sang?", [])]
        group = prepare(encoder, Group("The parliament met in 1999.", asked))
        batch = batch_of([group, group])
        self.assertEqual(batch.passage.tolist(), [0, 0, 1, 1])
        self.assertEqual([bool(p) for p in batch.places], [True, False, True, False])
        self.assertEqual(batch.flags.shape[:2], (4, len(group.offsets)))
        self.assertEqual(batch.passages.ids.shape[0], 2)

    def test_tokens_stand_for_the_characters_of_a_text(self):
        encoder = Encoder("tokenizer.model")
        text = "\u00dcb\u00e9r \u201cquotes\u201d \u2014 \u6771\u4eac, in 1999."
        ids, first, places = tokens_behind(encoder, HEADER, text)
        self.assertEqual("".join(text[a:b] for a, b in places), text)
        self.assertEqual(len(ids) - first, len(places))
        (span,) = answer_places(text, places, ["\u6771\u4eac"])
        self.assertEqual(text[places[span[0], 0] : places[span[1], 1]].strip(), "\u6771\u4eac")
        flags = word_flags(text, places, "What happened in 1999?")
        self.assertEqual(flags[-2].tolist(), [1, 1, 0, 0, 1])


if __name__ == "__main__":
    unittest.main()
