"""English word forms by rule: which base a form may come from, and the same form of another base."""

from grammar import IRREGULAR

PAST_OF = {base: past for past, base in reversed(IRREGULAR.items())}
VOWELS = "aeiou"


def bases(word: str) -> list[tuple[str, str]]:
    """(base, form) pairs that the word may be; the form is "", "s", "ed" or "ing". The word itself comes first."""
    found = [(word, "")]
    if word in IRREGULAR:
        found.append((IRREGULAR[word], "ed"))
    for form in ("s", "ed", "ing"):
        if not word.endswith(form) or len(word) < len(form) + 3:
            continue
        stem = word[: -len(form)]
        found.append((stem, form))
        if form == "s":
            if stem.endswith("ie"):
                found.append((stem[:-2] + "y", form))
            elif stem.endswith("e"):
                found.append((stem[:-1], form))
            continue
        found.append((stem + "e", form))
        if form == "ed" and stem.endswith("i"):
            found.append((stem[:-1] + "y", form))
        if stem[-1] == stem[-2]:
            found.append((stem[:-1], form))
    return found


def inflect(base: str, form: str) -> str:
    """The "", "s", "ed" or "ing" form; of several words the first is bent ("take off" to "took off")."""
    head, space, rest = base.partition(" ")
    return bend(head, form) + space + rest


def bend(word: str, form: str) -> str:
    if form == "":
        return word
    if form == "ed" and word in PAST_OF:
        return PAST_OF[word]
    after_consonant = len(word) > 1 and word[-2] not in VOWELS
    if form == "s":
        if word.endswith("y") and after_consonant:
            return word[:-1] + "ies"
        return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")
    if form == "ed" and word.endswith("y") and after_consonant:
        return word[:-1] + "ied"
    if word.endswith("e") and not word.endswith(("ee", "oe", "ye")):
        return word[:-1] + form
    short = len(word) in (3, 4) and word[-1] not in VOWELS + "wxy" and word[-2] in VOWELS and word[-3] not in VOWELS
    return word + (word[-1] if short else "") + form
