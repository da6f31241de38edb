"""Invariants of the data, the trainer's files and GGUF: `python -m unittest` in this folder, a few seconds, no data needed."""

import argparse
import random
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from batches import loss_weights, read_batches
from checkpoint import load_optimizer, load_weights, save_state, save_weights
from examples import Asked, Example
from export_gguf import export, import_weights
from gguf_file import Q8_0_BLOCK, STRING, GgufReader, as_float32, q8_0, write_gguf
from inflection import bases, inflect
from kernels import WeightedLoss, causal_attention, shifted_sparse_attention
from lengthen import divergence
from model import Config, Model, yarn
from needles import make_needle
from optimizer import Optimizer
from passages import Passage, Question, prompt, split_document
from recurring import recurring_questions
from renaming import rename, reword
from rope import METHODS
from rows import ANSWER, BOS, EOS, FIRST, Encoder, encode_example
from thesaurus import Thesaurus

TINY = Config(vocab=64, dim=32, layers=2, heads=4, kv_heads=2, head_dim=16, hidden=48, context=32)
TEXT = "The parliament was established in 1999.\n\nIt sits in a hall of glass, a gift of the city. " * 9


class Words(unittest.TestCase):
    def test_a_form_leads_to_its_base_and_back(self):
        for word, base, form in (
            ("cities", "city", "s"),
            ("stopped", "stop", "ed"),
            ("making", "make", "ing"),
            ("studied", "study", "ed"),
            ("began", "begin", "ed"),
            ("churches", "church", "s"),
            ("visited", "visit", "ed"),
        ):
            self.assertIn((base, form), bases(word))
            self.assertEqual(inflect(base, form), word)
        self.assertEqual(inflect("set out", "ing"), "setting out")

    def test_a_question_is_reworded_in_the_same_form_and_names_stay(self):
        same = {"v": {"begin": ["start"]}, "n": {"city": ["town"], "bath": ["spa"]}}
        thesaurus = Thesaurus({"same": same, "kin": same, "opposite": {"v": {"begin": ["end"]}}})
        question = "Which cities near Bath began it?"
        found = {thesaurus.reword(question, random.Random(seed)) for seed in range(40)}
        self.assertEqual(found, {f"Which {c} near Bath {b} it?" for c in ("cities", "towns") for b in ("began", "started")})
        self.assertEqual(thesaurus.contrary(question, random.Random(1)), "Which cities near Bath ended it?")
        self.assertIsNone(thesaurus.contrary("Who sang?", random.Random(1)))

    def test_a_reworded_passage_holds_its_reworded_answers(self):
        same = {"v": {"begin": ["start"]}, "n": {"city": ["town"]}}
        thesaurus = Thesaurus({"same": same, "kin": same, "opposite": same})
        questions = [Question("What began?", ["cities of glass"]), Question("Who left?", [])]
        passage = Passage("a.txt", 1, 1, "Then cities of glass began; other cities began later.", questions=questions)
        found = {reword(passage, thesaurus, random.Random(seed)).text for seed in range(60)}
        self.assertIn("Then towns of glass started; other towns started later.", found)
        for seed in range(20):
            made = reword(passage, thesaurus, random.Random(seed))
            self.assertIn(made.questions[0].answers[0], made.text)
            self.assertEqual(made.questions[0].text, "What began?")
            self.assertEqual(made.questions[1].answers, [])


class Rows(unittest.TestCase):
    encoder = Encoder(str(Path(__file__).with_name("tokenizer.model")))
    passages = [
        Passage("guide/setup.md", 1, 4, "It opened in 1999.\n\tOver \N{SNOWMAN} there."),
        Passage("a.ts", 2, 2, "x = 1;"),
    ]

    def test_an_example_is_encoded_exactly_as_its_prompt(self):
        asked = Asked("When did it open?", "1999", self.passages[0])
        ids, kinds = encode_example(self.encoder, Example(self.passages, [asked]), 500)
        whole = [BOS, *self.encoder.encode(prompt(self.passages, asked.question))]
        self.assertEqual(ids[: len(whole)], whole)
        self.assertEqual(self.encoder.decode(ids[len(whole) : -1]), "1999 [1]")
        self.assertEqual(ids[-1], EOS)
        self.assertEqual(kinds[len(whole) :], [FIRST] + [ANSWER] * (len(ids) - len(whole) - 1))

    def test_a_refusal_has_no_citation(self):
        ids, _ = encode_example(self.encoder, Example(self.passages, [Asked("Who?", "not in the text", None)]), 500)
        self.assertTrue(self.encoder.decode(ids[:-1]).endswith("Answer: not in the text"))

    def test_passages_name_the_lines_they_stand_in(self):
        lines = TEXT.split("\n")
        for p in split_document("a.txt", TEXT, False, 0, random.Random(1)):
            self.assertEqual("\n".join(lines[p.first - 1 : p.last]).strip(), p.text.strip())

    def test_renamed_questions_are_answered_by_the_renamed_text_alone(self):
        text = "The hall was built by Anna Berg in 1871. Later Anna Berg left for Oslo, where the hall of 1902 stands."
        questions = [Question("Who built the hall?", ["Anna Berg"]), Question("When did Anna Berg build it?", ["1871"])]
        changed = 0
        for seed in range(40):
            made = rename(Passage("a", 1, 1, text, False, None, questions), lambda: "he saw Carl Voss in town", random.Random(seed))
            self.assertEqual(len(made.questions), 2)
            for q in made.questions:
                self.assertTrue(all(answer in made.text for answer in q.answers))
            changed += made.text != text
            self.assertEqual("Anna Berg" in made.text, made.questions[0].answers == ["Anna Berg"])
            self.assertEqual("Anna Berg" in made.text, "Anna Berg" in made.questions[1].text)
        self.assertGreater(changed, 30)

    def test_a_recurring_question_is_worded_elsewhere_and_answered_here(self):
        here = Passage("b", 1, 1, "The old mill by the river belonged to Henrik Dahl until the great flood.")
        there = Passage("b", 2, 2, "Years after the flood a visitor found that Henrik Dahl had rebuilt the mill alone.")
        pairs = [pair for seed in range(20) for pair in recurring_questions(here, [here, there], random.Random(seed), 2)]
        self.assertGreater(len(pairs), 5)
        for question, answer in pairs:
            self.assertEqual(answer, "Henrik Dahl")
            self.assertNotIn(answer, question)
            self.assertIn("rebuilt", question)

    def test_the_answer_of_a_needle_stands_in_its_sentences(self):
        rng = random.Random(2)
        for _ in range(300):
            needle = make_needle(rng)
            self.assertIn(needle.answer, " ".join(needle.sentences))


class Training(unittest.TestCase):
    def test_the_loss_and_its_gradients_equal_cross_entropy(self):
        torch.manual_seed(0)
        h, embed = torch.randn(5, 8, requires_grad=True), torch.randn(11, 8, requires_grad=True)
        targets, weights = torch.randint(11, (5,)), torch.rand(5)
        WeightedLoss.apply(h, embed, targets, weights)[0].backward()
        mine = h.grad.clone(), embed.grad.clone()
        h.grad = embed.grad = None
        (torch.nn.functional.cross_entropy(h @ embed.t(), targets, reduction="none") * weights).sum().backward()
        torch.testing.assert_close(mine, (h.grad, embed.grad))

    def test_reading_through_a_cache_equals_reading_at_once(self):
        torch.manual_seed(0)
        model, tokens = Model(TINY), torch.randint(64, (1, 20))
        caches = [[] for _ in model.blocks]
        parts = [model.hidden(part, caches) for part in (tokens[:, :9], tokens[:, 9:10], tokens[:, 10:])]
        torch.testing.assert_close(torch.cat(parts, dim=1), model.hidden(tokens), atol=1e-5, rtol=1e-4)

    def test_shifted_sparse_attention_sees_its_group_and_nothing_later(self):
        torch.manual_seed(0)
        length, groups = 16, 4
        q, k = torch.randn(1, 4, length, 8), torch.randn(1, 2, length, 8)
        seen = []
        for token in range(length):
            v = torch.zeros(1, 2, length, 8)
            v[:, :, token] = 1.0
            seen.append(shifted_sparse_attention(q, k, v, groups)[0, :, :, 0] > 0)
        mask = torch.stack(seen, dim=2)
        position = torch.arange(length)
        causal = position[:, None] >= position[None, :]
        straight = causal & (position[:, None] // 4 == position[None, :] // 4)
        shifted = causal & ((position[:, None] + 2) // 4 == (position[None, :] + 2) // 4)
        self.assertTrue(torch.equal(mask, torch.stack([straight, straight, shifted, shifted])))

    def test_one_group_is_full_attention(self):
        torch.manual_seed(0)
        q, k, v = torch.randn(2, 4, 12, 8), torch.randn(2, 2, 12, 8), torch.randn(2, 2, 12, 8)
        torch.testing.assert_close(shifted_sparse_attention(q, k, v, 1), causal_attention(q, k, v))

    def test_interpolation_divides_every_position(self):
        model = Model(replace(TINY, interpolation=4.0))
        torch.testing.assert_close(model.frequencies * 4, Model(TINY).frequencies)

    def test_yarn_has_the_published_frequencies(self):
        # Qwen's YaRN settings; the frequencies that transformers computes for them.
        frequencies, attention_factor = yarn(replace(TINY, head_dim=128, theta=1e6), 32768, 4.0)
        self.assertAlmostEqual(attention_factor, 1.138629436, places=8)
        for pair, expected in ((24, 5.375321e-3), (30, 1.06436098e-3), (40, 4.44569853e-5), (63, 3.1023444e-7)):
            self.assertAlmostEqual(float(frequencies[pair]) / expected, 1, places=6)

    def test_a_model_does_not_diverge_from_itself(self):
        torch.manual_seed(0)
        model, other, tokens = Model(TINY), Model(TINY), torch.randint(64, (2, 8))
        weights = torch.full((2, 8), 1 / 16)
        self.assertAlmostEqual(float(divergence(model, model, tokens, weights).detach()), 0, places=6)
        self.assertGreater(float(divergence(other, model, tokens, weights).detach()), 0.01)

    def test_batches_go_on_from_a_cursor_as_if_never_stopped(self):
        with tempfile.TemporaryDirectory() as folder:
            names = [f"{folder}/a", f"{folder}/b"]
            for i, name in enumerate(names):
                np.save(name + ".tokens.npy", np.arange(9 * 5, dtype=np.uint16).reshape(9, 5) + 100 * i)
                np.save(name + ".classes.npy", np.ones((9, 5), np.uint8))
            every = list(read_batches(names, 8, 1, (0, 0), lambda: 0.0))
            for i, batch in enumerate(every[:-1]):
                rest = list(read_batches(names, 8, 1, batch.following, lambda: 0.0))
                self.assertTrue(torch.equal(rest[0].tokens, every[i + 1].tokens))
            late = list(read_batches(names, 8, 1, (0, 0), lambda: 0.6))
            self.assertEqual({batch.shard for batch in late}, {names[1]})

    def test_loss_weights_sum_to_one(self):
        classes = torch.randint(5, (3, 40))
        weights = loss_weights(classes, torch.tensor([0, 0.2, 0.3, 3, 8]), 0.3, torch.Generator().manual_seed(1))
        self.assertAlmostEqual(float(weights.sum()), 1, places=5)
        self.assertTrue((weights[classes == 0] == 0).all() and (weights[classes == 4] > 0).all())

    def test_a_state_within_its_limit_restores_the_optimiser(self):
        model = Model(TINY)
        optimizer = Optimizer(model, 0.01, 0.001, 0.1)
        model.loss(torch.randint(64, (2, 8)), torch.randint(64, (2, 8)), torch.full((16,), 1 / 16), torch.arange(16))[0].backward()
        optimizer.step(1.0)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state.pt"
            self.assertEqual(save_state(path, model, optimizer, {}, 1 << 20), [])
            back, _ = load_weights(path)
            restored = Optimizer(back, 0.01, 0.001, 0.1)
            load_optimizer(path, restored)
            for name, momentum in optimizer.muon.buffers.items():
                torch.testing.assert_close(
                    restored.muon.buffers[name], momentum, atol=float(momentum.abs().max()) / 100, rtol=0
                )
            self.assertEqual(save_state(path, model, optimizer, {}, 60_000), ["momentum"])

    def test_every_scaling_leaves_the_trained_length_alone(self):
        for name, method in METHODS.items():
            frequencies, attention_factor = method(TINY, 1.0)
            torch.testing.assert_close(frequencies, Model(TINY).frequencies, msg=name)
            self.assertEqual(attention_factor, 1.0)


class Gguf(unittest.TestCase):
    encoder = str(Path(__file__).with_name("tokenizer.model"))

    def test_a_lengthened_model_comes_back_out_of_its_file(self):
        config = replace(TINY, vocab=8192, context=128, yarn=4.0, original_context=32)
        with tempfile.TemporaryDirectory() as folder:
            weights, gguf, again = (f"{folder}/{name}" for name in ("a.pt", "a.gguf", "b.pt"))
            save_weights(weights, Model(config))
            export(argparse.Namespace(model=weights, tokenizer=self.encoder, name="x", type="f16", out=gguf))
            import_weights(argparse.Namespace(gguf=gguf, out=again))
            back, _ = load_weights(again)
        self.assertEqual(replace(back.config, eps=config.eps), config)

    def test_tensors_and_metadata_read_back(self):
        array = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
        tensors = [("a", array), ("b", array.astype(np.float16)), ("c", q8_0(array))]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.gguf"
            write_gguf(path, [("general.name", STRING, "n\N{SNOWMAN}", None)], tensors)
            back = GgufReader(path)
        self.assertEqual(back.metadata, {"general.name": "n\N{SNOWMAN}"})
        for name, expected in tensors:
            self.assertTrue(np.array_equal(back.tensors[name], expected))

    def test_q8_0_is_within_half_a_step(self):
        array = np.random.default_rng(0).normal(size=(2, 32)).astype(np.float32)
        blocks = q8_0(array)
        self.assertEqual((blocks.dtype, blocks.dtype.itemsize), (Q8_0_BLOCK, 34))
        self.assertLess(np.abs(as_float32(blocks) - array).max(), 0.51 * float(blocks["scale"].max()) + 1e-2)


if __name__ == "__main__":
    unittest.main()
