"""Questions for the span pointer: a passage, what is asked about it, and which of that it does not answer.

Written passages come with the questions people asked about them, under other names and words; others with questions made by rule. Some
questions are changed so that the passage no longer answers them, in the ways people change them (Rajpurkar et al., arXiv:1806.03822:
another entity, an opposite, a negation, another number), and some passages lose the sentence that holds an answer.
"""

import random
import re
from dataclasses import dataclass

from examples import DISTURBED, ENTITY, Maker, exchange, normal
from passages import Passage, Question
from prose_questions import SENTENCE, disturb, prose_questions
from recurring import recurring_questions
from renaming import rename, reword

# Shares of the written passages under other names and in other words, and of questions put in other words.
RENAMED, PASSAGE_REWORDED, QUESTION_REWORDED = 0.6, 0.4, 0.3
# Of the passages that lose the sentence of an answer, and of the written ones that are SQuAD's, which alone has unanswerable questions.
CUT, SQUAD = 0.1, 0.6
MOST_WRITTEN, MOST_IMPOSSIBLE, MOST_MADE = 6, 4, 4
AUXILIARY = re.compile(r"\b(is|are|was|were|did|does|do|can|could|will|would|should|has|had)\b")


@dataclass
class Group:
    """A passage and the questions about it; no answers means that it does not say."""

    text: str
    questions: list[Question]


class QuestionMaker:
    """Draws groups out of what a maker of examples holds, whose seed all randomness comes from."""

    def __init__(self, maker: Maker):
        self.maker, self.rng, self.thesaurus = maker, maker.rng, maker.thesaurus

    def group(self, written: float, unanswered: float) -> Group | None:
        """One group, of a written passage with probability `written`; of the questions that are answered so many are changed into ones
        that are not. None when the draw came to nothing."""
        rng, maker = self.rng, self.maker
        if rng.random() < written:
            pool = maker.written["squad" if rng.random() < SQUAD else "human"]
            passage = self.shown(rng.choice(pool))
            questions = self.written_questions(passage)
        else:
            passage = rng.choice(maker.textbook if rng.random() < 0.7 else maker.prose)
            questions = self.made_questions(passage)
        if not questions:
            return None
        changed = [
            Question(text, [])
            for q in questions
            if q.answers and rng.random() < unanswered and (text := self.changed(q, passage)) is not None
        ]
        text = passage.text
        if rng.random() < CUT:
            text, questions = without_sentence(text, questions, rng)
        return Group(text, questions + changed)

    def shown(self, passage: Passage) -> Passage:
        rng = self.rng
        if rng.random() < RENAMED:
            passage = rename(passage, lambda: rng.choice(self.maker.prose).text, rng)
        if self.thesaurus and rng.random() < PASSAGE_REWORDED:
            passage = reword(passage, self.thesaurus, rng)
        return passage

    def written_questions(self, passage: Passage) -> list[Question]:
        rng = self.rng
        answered = [q for q in passage.questions if q.answers]
        impossible = [q for q in passage.questions if not q.answers]
        chosen = rng.sample(answered, min(MOST_WRITTEN, len(answered)))
        chosen += rng.sample(impossible, min(MOST_IMPOSSIBLE, len(impossible)))
        return [Question(self.worded(q.text), q.answers) for q in chosen]

    def made_questions(self, passage: Passage) -> list[Question]:
        rng = self.rng
        pairs = prose_questions(passage, rng, MOST_MADE)
        if rng.random() < 0.6:
            pairs += recurring_questions(passage, self.maker.kin[passage.source], rng, 2)
        return [Question(self.worded(q, 0.6), [a]) for q, a in pairs]

    def worded(self, question: str, share: float = QUESTION_REWORDED) -> str:
        rng = self.rng
        if self.thesaurus and rng.random() < share:
            return self.thesaurus.reword(question, rng)
        return disturb(question, rng) if rng.random() < DISTURBED / 2 else question

    def changed(self, question: Question, passage: Passage) -> str | None:
        """The question changed, or another one of the same document, so that the passage does not answer it."""
        rng = self.rng
        kind = rng.choices(["inside", "outside", "contrary", "negated", "other"], [4, 2, 3, 1, 2])[0]
        if kind == "inside":
            return swap_inside(question, passage.text, rng)
        if kind == "outside":
            return exchange(question.text, normal(passage.text), self.maker.prose, rng)
        if kind == "contrary":
            return self.thesaurus.contrary(question.text, rng) if self.thesaurus else None
        if kind == "negated":
            text, count = AUXILIARY.subn(r"\1 not", question.text, count=1)
            return text if count else None
        other = rng.choice(self.maker.kin[passage.source])
        questions = [q for q in other.questions if q.answers]
        if not questions or other.text == passage.text:
            return None
        asked = rng.choice(questions)
        return None if any(a in passage.text for a in asked.answers) else asked.text


def swap_inside(question: Question, text: str, rng: random.Random) -> str | None:
    """The question with one name or number exchanged for another one of the passage: what is asked then stands nowhere, though every
    word does."""
    spots = list(ENTITY.finditer(question.text))
    if not spots:
        return None
    spot = rng.choice(spots)
    old = spot.group(0)
    others = {m.group(0) for m in ENTITY.finditer(text) if m.group(0).isdigit() == old.isdigit()}
    fit = sorted(
        o for o in others if o not in question.text and old not in o and not any(o in a for a in question.answers)
    )
    if not fit:
        return None
    return question.text[: spot.start()] + rng.choice(fit) + question.text[spot.end() :]


def without_sentence(text: str, questions: list[Question], rng: random.Random) -> tuple[str, list[Question]]:
    """The passage less the one sentence that holds an answer; what only that sentence answered is answered no longer."""
    answered = [q for q in questions if q.answers]
    if not answered:
        return text, questions
    answer = rng.choice(answered).answers[0]
    held = [m for m in SENTENCE.finditer(text) if answer in m.group(0)]
    if len(held) != 1 or text.count(answer) != held[0].group(0).count(answer):
        return text, questions
    left = (text[: held[0].start()] + text[held[0].end() :]).strip()
    if len(left) < 100:
        return text, questions
    return left, [Question(q.text, [a for a in q.answers if a in left]) for q in questions]
