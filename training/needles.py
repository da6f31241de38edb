"""Planted facts: a sentence with a key and a value, its question and its answer; near-duplicates, lists and two-step chains."""

import random
import re
from dataclasses import dataclass

NOUNS = [
    "access code",
    "password",
    "passkey",
    "pass key",
    "serial number",
    "secret number",
    "booking reference",
    "door code",
    "account number",
    "magic number",
    "flight number",
    "ticket number",
    "invoice number",
    "locker combination",
    "phone extension",
    "room number",
    "license key",
    "badge number",
    "port number",
    "batch number",
    "order number",
]
THINGS = [
    "red",
    "blue",
    "green",
    "silver",
    "northern",
    "southern",
    "ancient",
    "hidden",
    "broken",
    "golden",
    "quiet",
    "frozen",
    "wooden",
    "crystal",
    "iron",
    "violet",
    "yellow",
    "hollow",
    "distant",
    "narrow",
]
PLACES = [
    "library",
    "harbour",
    "station",
    "warehouse",
    "museum",
    "garden",
    "tower",
    "laboratory",
    "archive",
    "kitchen",
    "bridge",
    "theatre",
    "castle",
    "office",
    "factory",
    "garage",
    "chapel",
    "market",
    "stadium",
    "vault",
    "server",
    "printer",
    "elevator",
    "gate",
    "bunker",
    "observatory",
    "clinic",
    "hangar",
    "mill",
    "cellar",
]
PEOPLE = [
    "Alice",
    "Bruno",
    "Chandra",
    "Dmitri",
    "Elena",
    "Farid",
    "Greta",
    "Hiro",
    "Ingrid",
    "Jamal",
    "Keiko",
    "Liam",
    "Mina",
    "Nadia",
    "Omar",
    "Priya",
    "Quentin",
    "Rosa",
    "Sven",
    "Tara",
    "Umar",
    "Vera",
    "Wei",
    "Ximena",
    "Yusuf",
    "Zora",
    "Marcus",
    "Olivia",
    "Peter",
    "Sofia",
]
WORDS = [
    "amber",
    "basalt",
    "cobalt",
    "dahlia",
    "ember",
    "falcon",
    "granite",
    "heron",
    "indigo",
    "jasper",
    "kestrel",
    "lantern",
    "maple",
    "nectar",
    "onyx",
    "pepper",
    "quartz",
    "raven",
    "saffron",
    "thistle",
    "umber",
    "violet",
    "walnut",
    "xenon",
    "yarrow",
    "zephyr",
    "orchid",
    "meadow",
    "pebble",
    "cinder",
]
OBJECTS = [
    "lamp",
    "violin",
    "carpet",
    "kettle",
    "bicycle",
    "telescope",
    "notebook",
    "suitcase",
    "camera",
    "clock",
    "painting",
    "umbrella",
    "compass",
    "piano",
    "vase",
]
JOBS = [
    "baker",
    "surveyor",
    "pilot",
    "translator",
    "plumber",
    "gardener",
    "astronomer",
    "tailor",
    "librarian",
    "welder",
    "nurse",
    "carpenter",
    "chemist",
    "sailor",
    "judge",
]
DOINGS = [
    "eat a sandwich in the sun",
    "listen to the old organ",
    "count the swallows",
    "drink tea with the keeper",
    "watch the boats come in",
    "read the newspaper aloud",
]
FACTS = [
    ("{p}'s favourite {c} is {w}.", "What is {p}'s favourite {c}?", "{w}"),
    ("{p} keeps the {c} in the {t} {l}.", "Where does {p} keep the {c}?", "the {t} {l}"),
    ("{p} met {q} at the {t} {l}.", "Who met {q} at the {t} {l}?", "{p}"),
    ("The {c} was painted {w} by {p}.", "Who painted the {c} {w}?", "{p}"),
    ("The {t} {l} is guarded by {p}.", "Who guards the {t} {l}?", "{p}"),
    ("{p} paid {n} dollars for the {c}.", "How much did {p} pay for the {c}?", "{n} dollars"),
    ("{p} moved to the {t} {l} in {y}.", "When did {p} move to the {t} {l}?", "{y}"),
    ("The {t} {l} was opened in {y} by {p}.", "In what year was the {t} {l} opened?", "{y}"),
    ("{p} works as a {j}.", "What is {p}'s job?", "{j}"),
    ("The best thing to do in the {t} {l} is {d}.", "What is the best thing to do in the {t} {l}?", "{d}"),
]
BARE = ["The {n} is {v}. Remember it. {v} is the {n}.", "The {n} is {v}.", "Remember this: the {n} is {v}."]
BARE_QUESTIONS = ["What is the {n}?", "What {n} is mentioned in the text?", "Tell me the {n}."]
OWNED = [
    "The {n} for {o} is {v}.",
    "The {n} of {o} is {v}.",
    "{v} is the {n} for {o}.",
    "For {o}, the {n} is {v}.",
    "One of the special {n}s for {o} is: {v}.",
]
OWNED_QUESTIONS = [
    "What is the {n} for {o}?",
    "What is the {n} of {o}?",
    "Which {n} does {o} have?",
    "What is the special {n} for {o} mentioned in the text?",
]


@dataclass(frozen=True)
class Needle:
    """`key` is what no other needle of the same context may have."""

    sentences: tuple[str, ...]
    question: str
    answer: str
    key: str


def secret(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.6:
        return str(rng.randrange(10 ** rng.randint(2, 7)))
    if roll < 0.75:
        return "-".join(rng.choice(WORDS) for _ in range(rng.randint(1, 3)))
    if roll < 0.82:
        parts = (8, 4, 4, 4, 12)
        return "-".join("".join(rng.choice("0123456789abcdef") for _ in range(n)) for n in parts)
    return "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(2)) + str(rng.randrange(10000))


def owner_name(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.4:
        return f"the {rng.choice(THINGS)} {rng.choice(PLACES)}"
    if roll < 0.75:
        return rng.choice(PEOPLE)
    return f"{rng.choice(WORDS)}-{rng.choice(WORDS)}"


def make_needle(rng: random.Random, noun: str | None = None) -> Needle:
    """A random needle; with a noun, one of that noun and some owner (a near-duplicate of its kin)."""
    roll = rng.random()
    if noun is None and roll < 0.3:
        return fact(rng)
    if noun is None and roll < 0.42:
        return chain(rng)
    fixed = noun is not None
    noun, value = noun or rng.choice(NOUNS), secret(rng)
    if not fixed and roll < 0.55:
        return Needle(
            (rng.choice(BARE).format(n=noun, v=value),), rng.choice(BARE_QUESTIONS).format(n=noun), value, noun
        )
    owner = owner_name(rng)
    sentence = rng.choice(OWNED).format(n=noun, o=owner, v=value)
    return Needle((sentence,), rng.choice(OWNED_QUESTIONS).format(n=noun, o=owner), value, f"{noun} {owner}")


def fact(rng: random.Random) -> Needle:
    sentence, question, answer = rng.choice(FACTS)
    p, q = rng.sample(PEOPLE, 2)
    v = {
        "p": p,
        "q": q,
        "c": rng.choice(OBJECTS),
        "w": rng.choice(WORDS),
        "t": rng.choice(THINGS),
        "l": rng.choice(PLACES),
        "n": str(rng.randrange(3, 5000)),
        "y": str(rng.randrange(1700, 2024)),
        "j": rng.choice(JOBS),
        "d": rng.choice(DOINGS),
    }
    text = question.format(**v)
    return Needle((sentence.format(**v),), text, answer.format(**v), text)


def chain(rng: random.Random) -> Needle:
    """Two sentences, planted apart: the first names the place, the second its value."""
    person, place = rng.choice(PEOPLE), f"the {rng.choice(THINGS)} {rng.choice(PLACES)}"
    noun, value = rng.choice(NOUNS), secret(rng)
    verb, base = rng.choice([("works in", "works"), ("lives in", "lives"), ("waits at", "waits")])
    return Needle(
        (f"{person} {verb} {place}.", f"The {noun} of {place} is {value}."),
        f"What is the {noun} of the place where {person} {base}?",
        value,
        f"{noun} {place}",
    )


def insert_sentence(text: str, sentence: str, rng: random.Random) -> str:
    """The text with the sentence after a clause, a line or at the start."""
    spots = [m.end() for m in re.finditer(r"[.!?:;,](?=\s)|\n", text)] or [len(text)]
    at = rng.choice([*spots, 0])
    left = "" if at == 0 or text[at - 1] == "\n" else " "
    right = "" if text[at : at + 1] in (" ", "\n") else " "
    return (text[:at].rstrip(" ") + left + sentence + right + text[at:]).strip()
