"""Questions made by rule from the sentences of a prose passage: spans, key words, definitions, quotations, lists."""

import random
import re

from grammar import NOT_NAMES, SYNONYMS, ask, question_word
from passages import Passage

MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
PHRASE_END = r"(?= (?:of|in|is|was|were|are|that|which|for|to|by|and|from|on|with)\b|[,.;:])"
COUNT_WORDS = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred"
SPANS = [
    ("date", re.compile(rf"\b(?:\d{{1,2}} )?{MONTH}(?: \d{{1,2}})?(?:,? \d{{4}})?\b(?<!May)")),
    ("year", re.compile(r"\b(?:1[0-9]{3}|20[0-2][0-9])s?\b")),
    (
        "number",
        re.compile(r"(?<![\w.$/-])\$?\d[\d,]*(?:\.\d+)?(?: ?%| percent| million| billion| thousand)?(?![\w/-])"),
    ),
    ("number", re.compile(rf"\b(?:{COUNT_WORDS})\b")),
    ("name", re.compile(r"\b[A-Z][\w'’.-]+(?: (?:(?:of|the|and|de|von|van|for) ){0,2}[A-Z][\w'’-]+)*")),
    ("code", re.compile(r"`[^`\n]{2,40}`")),
    ("quote", re.compile(r"[\"“][^\"”\n]{3,50}[\"”]")),
    ("phrase", re.compile(r"(?<=\bthe )(?:[a-z-]{3,} ){0,2}[a-z-]{4,}" + PHRASE_END)),
    ("phrase", re.compile(r"(?<=\ban )(?:[a-z-]{3,} ){0,2}[a-z-]{4,}" + PHRASE_END)),
    ("phrase", re.compile(r"(?<=\ba )(?:[a-z-]{3,} ){1,3}[a-z-]{4,}" + PHRASE_END)),
    ("reason", re.compile(r"(?:(?<=\bbecause )|(?<=\bin order to ))[^,.;:]{10,70}(?=[,.;])")),
    ("reason", re.compile(r"(?:(?<=\bdue to )|(?<=\bbecause of ))[^,.;:]{6,60}(?=[,.;])")),
]
SPAN_WEIGHTS = {"name": 3, "phrase": 2, "year": 3, "date": 3, "number": 3, "reason": 4}
SENTENCE = re.compile(r"[A-Z\"“(][^\n]{40,330}?[.!?](?=\s|$)")
DEFINITION = re.compile(
    r"(?:An?|The)? ?([A-Za-z][\w` -]{2,40}?) (is|are|was|were) ((?:an?|the) [^.;,]{6,70}?)(?=[.,;]| that | which | who )"
)
STOP_WORDS = set(
    [
        "the",
        "a",
        "an",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "from",
        "by",
        "with",
        "and",
        "or",
        "but",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "that",
        "which",
        "who",
        "whom",
        "this",
        "these",
        "those",
        "it",
        "its",
        "his",
        "her",
        "their",
        "he",
        "she",
        "they",
        "we",
        "you",
        "i",
        "not",
        "no",
        "had",
        "has",
        "have",
        "did",
        "do",
        "does",
        "can",
        "could",
        "will",
        "would",
        "may",
        "might",
        "should",
        "must",
        "into",
        "than",
        "then",
        "there",
        "when",
        "where",
        "while",
        "also",
        "such",
        "so",
        "if",
        "about",
        "after",
        "before",
        "over",
        "under",
        "between",
    ]
)
BULLETS = re.compile(r"(?:^|\n)([^\n]{15,110}:)\n+((?:(?:[-*]|\d\.) [^\n]{2,60}\n){2,7})")

Pair = tuple[str, str]


def prose_questions(passage: Passage, rng: random.Random, want: int) -> list[Pair]:
    """Up to `want` (question, answer) pairs; every answer stands in the passage."""
    flat = re.sub(r"[ \n]+", " ", passage.text)
    sentences = SENTENCE.findall(flat)
    rng.shuffle(sentences)
    out: list[Pair] = []
    used: set[str] = set()
    for sentence in sentences[: want * 2]:
        if len(out) >= want:
            break
        if sum(c.isalpha() or c == " " for c in sentence) < 0.85 * len(sentence):
            continue
        pair = one_question(sentence, flat, rng)
        if pair and pair[1] not in used and pair[1] in passage.text:
            used.add(pair[1])
            out.append(pair)
    return out


def one_question(sentence: str, flat: str, rng: random.Random) -> Pair | None:
    roll = rng.random()
    if len(sentence) < 170 and roll < 0.04:
        return quotation(sentence, rng)
    definition = DEFINITION.match(sentence)
    if definition and roll < 0.5 and definition.group(1).split(" ")[0] not in NOT_NAMES:
        name, verb, answer = definition.groups()
        who = "Who" if verb == "was" and name[:1].isupper() and rng.random() < 0.4 else "What"
        return f"{who} {verb} {name}?", answer
    span = choose_span(sentence, flat, rng)
    if span is None:
        return None
    kind, start, end = span
    text = sentence[start:end]
    answer = text.strip('`"“”') if kind in ("code", "quote") else text.rstrip(".,")
    if not answer:
        return None
    if rng.random() < 0.4:
        question = key_word_question(sentence[:start], answer, sentence[end:], kind, rng)
    else:
        question = ask(sentence[:start], answer, sentence[end:], kind, rng)
    if not question or not 18 <= len(question) <= 260 or answer.lower() in question.lower():
        return None
    question = re.sub(r"\s+([,?])", r"\1", re.sub(r" {2,}", " ", question))
    question = question if "____" in question else disturb(question, rng)
    return question[:1].upper() + question[1:], answer


def choose_span(sentence: str, flat: str, rng: random.Random) -> tuple[str, int, int] | None:
    spans = []
    for kind, pattern in SPANS:
        for m in pattern.finditer(sentence):
            text = m.group(0)
            if kind == "name":
                if text.split(" ")[0] in NOT_NAMES or len(text) < 3:
                    continue
                # A capital at the start of a sentence alone makes no name.
                if m.start() == 0 and " " not in text and not re.search(rf"[a-z,] {re.escape(text)}\b", flat):
                    continue
            spans.append((kind, m.start(), m.end()))
    if not spans:
        return None
    kinds = sorted({kind for kind, _, _ in spans})
    chosen = rng.choices(kinds, [SPAN_WEIGHTS.get(kind, 1) for kind in kinds])[0]
    return rng.choice([span for span in spans if span[0] == chosen])


def key_word_question(before: str, answer: str, after: str, kind: str, rng: random.Random) -> str | None:
    """A question word and some content words of the sentence, near ones first, in an order of their own: the sentence can then be
    found only by the words it shares, not by their sequence."""
    wh, _ = question_word(kind, before, "", answer, rng)
    near = [w.strip(",.;:()\"'“”") for w in [*before.split()[-9:], *after.split()[:9]]]
    words = [w for w in near if len(w) > 3 and w.lower() not in STOP_WORDS and w.lower() not in answer.lower()]
    if len(words) < 3:
        return None
    picked = rng.sample(words, min(len(words), rng.randint(3, 6)))
    if rng.random() < 0.5:
        picked.sort(key=near.index)
    return f"{wh} {' '.join(picked)}?"


def quotation(sentence: str, rng: random.Random) -> Pair | None:
    words = [w for w in re.findall(r"[\w'’-]+", sentence) if len(w) > 3 and w.lower() not in STOP_WORDS]
    if len(words) < 4:
        return None
    picked = " ".join(sorted(rng.sample(words, rng.randint(2, 4)), key=words.index))
    asked = rng.choice(
        ["Quote the sentence about {0}.", "Which sentence mentions {0}?", "Quote the sentence with {0}."]
    )
    return asked.format(picked), sentence


def list_question(passage: Passage, rng: random.Random) -> Pair | None:
    """A bulleted list under its heading line: all items, in order."""
    m = BULLETS.search(passage.text + "\n")
    if not m:
        return None
    items = [re.sub(r"^(?:[-*]|\d\.) ", "", line).strip(" .;,") for line in m.group(2).strip().split("\n")]
    asked = rng.choice(["List all: {0}", "What are all the items of: {0}", "Which items are listed under: {0}"])
    return asked.format(m.group(1).strip("#*- :")), "; ".join(items)


def disturb(question: str, rng: random.Random) -> str:
    """Drops words and puts synonyms, so that matching cannot rely on exact repetition."""
    words = question.split(" ")
    if len(words) > 6:
        roll = rng.random()
        if roll < 0.4:
            p = rng.uniform(0.05, 0.35)
            words = words[:2] + [w for w in words[2:-1] if rng.random() > p] + words[-1:]
        elif roll < 0.5 and len(words) > 12:
            start = rng.randrange(2, len(words) - 7)
            words = words[:2] + words[start : start + rng.randint(5, 9)]
            words[-1] = words[-1].rstrip(",;.?") + "?"
    return " ".join(rng.choice(SYNONYMS[w]) if w in SYNONYMS and rng.random() < 0.4 else w for w in words)
