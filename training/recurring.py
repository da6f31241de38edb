"""Questions asked in the words of another passage: a name that stands in this passage and in a sentence elsewhere in the document is
asked for by that sentence (the recurring spans of Ram et al., "Few-Shot Question Answering by Pretraining Span Selection",
arXiv:2101.00438). Nothing but what both are about leads to the answer, where a question made from the passage shares its wording."""

import random
import re

from grammar import NOT_NAMES, ask
from passages import Passage
from prose_questions import SENTENCE, STOP_WORDS, Pair

NAME = re.compile(r"(?<=[a-z,] )(?:[A-Z][\w'’-]{2,}(?: [A-Z][\w'’-]+)*|1[0-9]{3}|20[0-2][0-9])\b")
WORD = re.compile(r"[a-z]{4,}")
NEAR = 12
TRIES = 10


def recurring_questions(passage: Passage, kin: list[Passage], rng: random.Random, want: int) -> list[Pair]:
    """Up to `want` (question, answer) pairs, each answer a name or year of the passage that occurs there at most twice; `kin` are the
    passages of its document in order."""
    names = {n for n in NAME.findall(passage.text) if n.split(" ")[0] not in NOT_NAMES and passage.text.count(n) <= 2}
    if not names or len(kin) < 2:
        return []
    here = set(WORD.findall(passage.text.lower())) - STOP_WORDS
    # A passage knows its lines, not its place among its kin; they are in order, so a neighbour is found by its first line.
    place = next((i for i, p in enumerate(kin) if p.first >= passage.first), 0)
    out: list[Pair] = []
    for _ in range(TRIES):
        other = kin[max(0, min(len(kin) - 1, place + rng.randint(-NEAR, NEAR)))]
        if other.text == passage.text or len(out) >= want:
            continue
        shared = [n for n in names if n in other.text]
        if not shared:
            continue
        name = rng.choice(sorted(shared))
        sentence = next((s for s in SENTENCE.findall(re.sub(r"[ \n]+", " ", other.text)) if name in s), None)
        # With nothing else in common the passage hardly says it.
        if sentence is None or len(set(WORD.findall(sentence.lower())) & here) < 2:
            continue
        before, _, after = sentence.partition(name)
        kind = "year" if name.isdigit() else "name"
        question = ask(before, name, after, kind, rng) if rng.random() < 0.7 else f"{before}____{after}"
        if question and 18 <= len(question) <= 260 and name not in question:
            out.append((question[:1].upper() + question[1:], name))
            names.discard(name)
    return out
