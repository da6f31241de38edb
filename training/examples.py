"""Examples: some passages and several questions over them, each with its answer and the passage it stands in.

Every passage of a context is asked about, so that choosing the passage is taught by each question; refusals are balanced by hard ones:
unanswerable questions people wrote, questions of a paragraph that is not shown, and questions with one name or number exchanged.
"""

import random
import re
from dataclasses import dataclass

from code_questions import code_questions
from corpus import Article, Document
from needles import insert_sentence, make_needle
from passages import NOT_IN_TEXT, Passage, split_document
from prose_questions import Pair, disturb, list_question, prose_questions
from recurring import recurring_questions
from renaming import NAME, rename, reword
from thesaurus import Thesaurus

ENTITY = re.compile(rf"{NAME.pattern}|\b\d{{3,4}}\b")
PASSAGE_COST = 40
# Shares of the written passages shown under other names, of the prose passages also asked about in the words of another, and of the
# written questions that lose words or get synonyms.
RENAMED, RECURRING, DISTURBED = 0.9, 0.6, 0.25
# Where a thesaurus is given: shares of the questions made by rule and of the written ones that are put in other words, and of the
# written passages that are while their questions stay.
REWORDED, WRITTEN_REWORDED, PASSAGE_REWORDED = 0.5, 0.3, 0.6


@dataclass
class Asked:
    """A question; no passage means it is to be refused. `alone`: it is fair only while no other passage holds the answer."""

    question: str
    answer: str
    passage: Passage | None
    alone: bool = False


@dataclass
class Example:
    passages: list[Passage]
    asked: list[Asked]


def normal(s: str) -> str:
    return re.sub(r"\W+", " ", s.lower()).strip()


class Maker:
    """Draws examples of a kind; all randomness comes from the seed."""

    def __init__(
        self,
        documents: list[Document],
        squad: list[Article],
        human: list[Article],
        seed: int,
        refusals: float,
        thesaurus: Thesaurus | None = None,
    ):
        self.rng = random.Random(seed)
        self.thesaurus = thesaurus
        self.refusal_share = refusals
        self.prose: list[Passage] = []
        self.code: list[Passage] = []
        self.textbook: list[Passage] = []
        self.kin: dict[object, list[Passage]] = {}
        for number, d in enumerate(documents):
            if d.held_out:
                continue
            path = "/".join(d.path.strip("/").split("/")[-self.rng.randint(1, 4) :])[-60:]
            parts = split_document(path, d.text, d.code, number, self.rng)
            (self.code if d.code else self.prose).extend(parts)
            self.textbook.extend(parts if d.textbook else [])
            self.kin[number] = parts
        self.written: dict[str, list[Passage]] = {"squad": [], "human": []}
        for kind, articles in (("squad", squad), ("human", human)):
            for article in articles:
                source = (kind, article.title)
                for p in article.paragraphs:
                    passage = Passage(article.title, 1, 1, p.context, False, source, p.questions)
                    self.written[kind].append(passage)
                    self.kin.setdefault(source, []).append(passage)

    def example(self, kind: str, budget_chars: float) -> Example | None:
        """An example of about at most so many characters of passages; None when the draw came to nothing."""
        if kind == "key":
            return self.needles(budget_chars)
        rng = self.rng
        pool = {"read": self.prose, "textbook": self.textbook, "code": self.code, **self.written}[kind]
        if not pool:
            return None
        target = rng.choice(pool)
        if len(target.text) + PASSAGE_COST > budget_chars:
            return None
        passages = [target, *self.distractors(target, budget_chars - len(target.text))]
        originals = {p.text for p in passages}
        passages = [self.shown(p) for p in passages]
        target = passages[0]
        rng.shuffle(passages)
        asked = self.about(target, 14)
        if not asked:
            return None
        for p in passages:
            if p is not target:
                asked += self.about(p, rng.choice([1, 2, 4, 6]))
        asked = [a for a in asked if not a.alone or not any(a.answer in p.text for p in passages if p is not a.passage)]
        rng.shuffle(asked)
        if rng.random() < self.refusal_share:
            asked += self.refusals(passages, originals, target, asked)
            rng.shuffle(asked)
        return Example(passages, asked)

    def text(self, chars: int) -> str:
        """Consecutive passages of one document, about so many characters."""
        p = self.rng.choice(self.code if self.code and self.rng.random() < 0.25 else self.prose)
        kin = self.kin[p.source]
        first = next(i for i, other in enumerate(kin) if other is p)
        parts: list[str] = []
        for other in kin[first:]:
            parts.append(other.text)
            chars -= len(other.text)
            if chars <= 0:
                break
        return "\n\n".join(parts)

    def shown(self, p: Passage) -> Passage:
        """The passage under a path and lines of its own: a written paragraph has none, so some are made up. Most of these have names
        and numbers exchanged, so that the answers to the few questions people wrote are read and not remembered."""
        if not p.questions:
            return p
        rng, title = self.rng, p.path
        stem = title.split("_")[0].lower()
        path = rng.choice([f"{title}.txt", f"{title.lower()}.md", f"wiki/{title}.md", f"docs/{stem}.html", "book.txt"])
        line = rng.randrange(1, 400)
        made = Passage(path, line, line + rng.choice([0, 0, 1, 4, 9]), p.text, False, p.source, p.questions)
        if rng.random() < RENAMED:
            made = rename(made, lambda: rng.choice(self.prose).text, rng)
        if self.thesaurus and rng.random() < PASSAGE_REWORDED:
            made = reword(made, self.thesaurus, rng)
        return made

    def distractors(self, target: Passage, room: float) -> list[Passage]:
        """Other passages, often of the same document, that fit the room; long rooms are filled with many."""
        rng, out, texts = self.rng, [], {target.text}
        written = bool(target.questions)
        most = rng.choice([0, 1, 1, 2, 3, 3, 3, 5, 8, 40]) if room < 6000 else rng.choice([2, 8, 20, 40])
        for _ in range(most):
            roll = rng.random()
            if roll < 0.5 and len(self.kin[target.source]) > 1:
                p = rng.choice(self.kin[target.source])
            elif written and roll < 0.8:
                p = rng.choice(self.written[rng.choice(["squad", "squad", "human"])])
            else:
                p = rng.choice(self.code if target.code else self.prose)
            if p.text in texts or len(p.text) + PASSAGE_COST > room:
                continue
            room -= len(p.text) + PASSAGE_COST
            texts.add(p.text)
            out.append(p)
        return out

    def about(self, p: Passage, want: int) -> list[Asked]:
        """Questions that the passage answers: those people wrote, or made by rule."""
        rng = self.rng
        written = [q for q in p.questions if q.answers]
        if written:
            pairs: list[Pair] = [
                (disturb(q.text, rng) if rng.random() < DISTURBED else q.text, rng.choice(q.answers[:3]))
                for q in rng.sample(written, min(want, len(written)))
            ]
            pairs = self.reworded(pairs, WRITTEN_REWORDED)
            if rng.random() < 0.35:
                pairs += self.reworded(prose_questions(p, rng, 3), REWORDED)
        elif p.code:
            pairs = code_questions(p, rng, want)
        else:
            pairs = self.reworded(prose_questions(p, rng, want), REWORDED)
            listed = list_question(p, rng) if rng.random() < 0.5 else None
            pairs += [listed] if listed else []
        asked = [Asked(question, answer, p) for question, answer in pairs]
        if not written and not p.code and rng.random() < RECURRING:
            recurring = recurring_questions(p, self.kin[p.source], rng, max(1, want // 2))
            asked += [Asked(q, a, p, alone=True) for q, a in self.reworded(recurring, REWORDED)]
        return asked

    def reworded(self, pairs: list[Pair], share: float) -> list[Pair]:
        """The pairs, a share of the questions in other words."""
        thesaurus, rng = self.thesaurus, self.rng
        if thesaurus is None:
            return pairs
        return [(thesaurus.reword(q, rng) if rng.random() < share else q, a) for q, a in pairs]

    def refusals(
        self, passages: list[Passage], originals: set[str], target: Passage, asked: list[Asked]
    ) -> list[Asked]:
        """Questions that none of the passages answers; `originals` are their texts before names were exchanged."""
        rng = self.rng
        joined = normal(" ".join(p.text for p in passages))
        found: list[tuple[str, str | None]] = []
        for p in passages:
            impossible = [q.text for q in p.questions if not q.answers]
            found += [(q, None) for q in rng.sample(impossible, min(len(impossible), 3 if p is target else 1))]
        if rng.random() < 0.5:
            hidden = [
                p
                for p in rng.sample(self.kin[target.source], min(6, len(self.kin[target.source])))
                if p.text not in originals
            ]
            for p in hidden[:2] or [rng.choice(self.written["squad"])]:
                found += [(a.question, a.answer) for a in self.about(p, 1)]
        if rng.random() < 0.5:
            exchanged = [
                exchange(a.question, joined, self.prose if not target.code else self.code, rng) for a in asked[:2]
            ]
            found += [(q, None) for q in exchanged if q]
        if self.thesaurus and rng.random() < 0.5:
            contrary = [self.thesaurus.contrary(a.question, rng) for a in rng.sample(asked, min(2, len(asked)))]
            found += [(q, None) for q in contrary if q]
        rng.shuffle(found)
        already = {a.question for a in asked}
        usable = [q for q, answer in found if q not in already and (answer is None or normal(answer) not in joined)]
        return [Asked(q, NOT_IN_TEXT, None) for q in usable[: max(2, len(asked) // 2)]]

    def needles(self, budget_chars: float) -> Example:
        """Planted facts in real text; some share their noun, and some are asked for but not planted."""
        rng = self.rng
        base = rng.choice(self.code if self.code and rng.random() < 0.15 else self.prose)
        if rng.random() < 0.2:
            base = rng.choice(self.written["squad"])
        passages = [self.shown(base), *(self.shown(p) for p in self.distractors(base, budget_chars - len(base.text)))]
        passages = [Passage(p.path, p.first, p.last, p.text, p.code, p.source) for p in passages]
        rng.shuffle(passages)
        noun, asked, keys, parts = None, [], set(), set()
        for _ in range(rng.choice([2, 4, 6, 8, 12])):
            needle = make_needle(rng, noun if rng.random() < 0.4 else None)
            first = needle.key.split(" for ")[0]
            clashes = any(needle.key in k or k in needle.key for k in keys) or needle.sentences[0] in parts
            if clashes:
                continue
            keys.add(needle.key)
            parts.update(needle.sentences)
            noun = noun or next((n for n in first.split(" the ") if n and len(n) < 20 and "?" not in n), None)
            if rng.random() < 0.12:
                asked.append(Asked(needle.question, NOT_IN_TEXT, None))
                continue
            for sentence in needle.sentences:
                # A long context's two ends are the places hardest to look back to, and chance alone seldom picks them.
                place = rng.random()
                p = passages[0] if place < 0.15 else passages[-1] if place > 0.9 else rng.choice(passages)
                p.text = f"{sentence} {p.text}" if place < 0.15 else insert_sentence(p.text, sentence, rng)
            asked.append(Asked(needle.question, needle.answer, p))
        rng.shuffle(asked)
        return Example(passages, asked)


def exchange(question: str, joined: str, others: list[Passage], rng: random.Random) -> str | None:
    """The question with one name or number replaced by another that the shown text does not hold."""
    spots = list(ENTITY.finditer(question))
    if not spots:
        return None
    spot = rng.choice(spots)
    if spot.group(0).isdigit():
        replacement = str(int(spot.group(0)) + rng.choice([-1, 1]) * rng.randint(3, 90))
    else:
        names = [m.group(0) for m in ENTITY.finditer(rng.choice(others).text) if not m.group(0).isdigit()]
        replacement = rng.choice(names) if names else ""
    if not replacement or normal(replacement) in joined:
        return None
    return question[: spot.start()] + replacement + question[spot.end() :]
