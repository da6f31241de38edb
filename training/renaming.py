"""A passage and the questions about it under other names and numbers: what is remembered of the original is then wrong."""

import random
import re
from collections.abc import Callable

from passages import Passage, Question
from thesaurus import Thesaurus

NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*")
YEAR = re.compile(r"1\d{3}|20[0-2]\d")
MOST = 8


def rename(passage: Passage, other_text: Callable[[], str], rng: random.Random) -> Passage:
    """A copy in which a few answers, or names that a question mentions, are exchanged everywhere for others of their kind;
    `other_text` gives texts to take names from. Unchanged where nothing can be exchanged."""
    text, questions = passage.text, passage.questions
    wanted = [a for q in questions for a in q.answers[:1]] + [
        m.group(0) for q in questions for m in NAME.finditer(q.text)
    ]
    for old in rng.sample(sorted(set(wanted)), min(len(set(wanted)), rng.randint(1, MOST))):
        new = replacement(old, other_text, rng)
        if not new or new in text or old not in text or len(old) < 2:
            continue
        pattern = re.compile(rf"(?<!\w){re.escape(old)}(?!\w)")
        text = pattern.sub(lambda _, new=new: new, text)
        questions = [
            Question(
                pattern.sub(lambda _, new=new: new, q.text), [pattern.sub(lambda _, new=new: new, a) for a in q.answers]
            )
            for q in questions
        ]
    return changed(passage, text, questions)


def reword(passage: Passage, thesaurus: Thesaurus, rng: random.Random) -> Passage:
    """A copy whose text and answers have other words of the same sense, while its questions keep theirs."""
    answers = [a for q in passage.questions for a in q.answers]
    text, *reworded = thesaurus.exchange([passage.text, *answers], rng)
    rest = iter(reworded)
    return changed(passage, text, [Question(q.text, [next(rest) for _ in q.answers]) for q in passage.questions])


def changed(passage: Passage, text: str, questions: list[Question]) -> Passage:
    """A copy with this text and these questions, less the answers that do not stand in it: an exchange inside a longer one may
    leave such. A question that loses all its answers goes; one that never had any stays."""
    kept = [Question(q.text, [a for a in q.answers if a in text]) for q in questions]
    questions = [k for k, q in zip(kept, questions, strict=True) if k.answers or not q.answers]
    return Passage(passage.path, passage.first, passage.last, text, passage.code, passage.source, questions)


def replacement(old: str, other_text: Callable[[], str], rng: random.Random) -> str | None:
    """Another year, number or name; None for anything else."""
    if YEAR.fullmatch(old):
        return str(int(old) + rng.choice([-1, 1]) * rng.randint(1, 60))
    if re.fullmatch(r"\d+", old):
        return str(rng.randint(10 ** (len(old) - 1), 10 ** len(old) - 1)) if len(old) < 9 else None
    if re.fullmatch(r"[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*", old):
        names = NAME.findall(other_text())
        return rng.choice(names) if names else None
    return None
