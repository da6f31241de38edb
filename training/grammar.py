"""Small English tables and the rule that turns `before ANSWER after` of a sentence into a question."""

import random
import re

NOT_NAMES = set(
    [
        "The",
        "A",
        "An",
        "In",
        "On",
        "At",
        "It",
        "This",
        "That",
        "These",
        "Those",
        "He",
        "She",
        "They",
        "We",
        "I",
        "You",
        "If",
        "When",
        "While",
        "As",
        "But",
        "And",
        "Or",
        "For",
        "To",
        "By",
        "Of",
        "With",
        "From",
        "After",
        "Before",
        "However",
        "Although",
        "There",
        "His",
        "Her",
        "Their",
        "Its",
        "Our",
        "My",
        "Each",
        "Some",
        "Many",
        "Most",
        "Such",
        "One",
        "Two",
        "What",
        "Which",
        "Who",
        "How",
        "Why",
        "Where",
        "Not",
        "No",
        "All",
        "Both",
        "During",
        "Since",
        "Because",
        "Also",
        "Then",
        "Thus",
    ]
)
AUXILIARY = r"\b(was|were|is|are|had|has|have|can|could|will|would|did|does|do|may|might|should|must)\b"
IRREGULAR = dict(
    pair.split(":")
    for pair in [
        "became:become",
        "began:begin",
        "won:win",
        "wrote:write",
        "built:build",
        "made:make",
        "took:take",
        "led:lead",
        "held:hold",
        "found:find",
        "went:go",
        "came:come",
        "gave:give",
        "left:leave",
        "lost:lose",
        "ran:run",
        "saw:see",
        "said:say",
        "grew:grow",
        "rose:rise",
        "fell:fall",
        "spent:spend",
        "sold:sell",
        "bought:buy",
        "got:get",
        "kept:keep",
        "met:meet",
        "paid:pay",
        "sent:send",
        "set:set",
        "taught:teach",
        "thought:think",
        "told:tell",
        "brought:bring",
        "chose:choose",
        "drew:draw",
        "fought:fight",
        "knew:know",
        "stood:stand",
        "put:put",
        "read:read",
        "spoke:speak",
        "broke:break",
        "drove:drive",
        "ate:eat",
        "heard:hear",
        "felt:feel",
        "meant:mean",
        "sought:seek",
        "threw:throw",
        "struck:strike",
    ]
)
PAST = re.compile(r"\b([a-z]{2,}ed|" + "|".join(IRREGULAR) + r")\b")
SYNONYM_PAIRS = (
    "began started,begin start,created made,founded established,located situated,large big,small little,"
    "important significant,used employed,called named,people persons,show display,many numerous,helped assisted,"
    "bought purchased,wrote authored,killed slain,built constructed,ended finished,gave provided,quickly rapidly,"
    "often frequently,main primary,received got,country nation,city town,war conflict,leader head,died passed,"
    "film movie,returns gives,contains holds,removed deleted,allows lets,required needed,error failure,"
    "function routine,begins starts,ends finishes,whole entire,near close,area region,type kind,caused led,"
    "group team,believed thought,increased grew,work job,rule law,first earliest,amount quantity,method way"
)
SYNONYMS: dict[str, list[str]] = {}
for _pair in SYNONYM_PAIRS.split(","):
    _a, _b = _pair.split()
    SYNONYMS.setdefault(_a, []).append(_b)
    SYNONYMS.setdefault(_b, []).append(_a)
STEM_TAKES_E = re.compile(r"(at|iz|is|as|os|us|uc|ag|ang|ur|ir|ut|v|u|c|clud|vid|cid|par|bas|creas|fus|mov)$")


def base_form(verb: str) -> str:
    if verb in IRREGULAR:
        return IRREGULAR[verb]
    stem = verb[:-2]
    if verb.endswith("ied"):
        return verb[:-3] + "y"
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "sl":
        return stem[:-1]
    return stem + "e" if STEM_TAKES_E.search(stem) else stem


def lower_first(s: str) -> str:
    return s[:1].lower() + s[1:] if s.split(" ", 1)[0] in NOT_NAMES else s


def question_word(kind: str, before: str, after: str, answer: str, rng: random.Random) -> tuple[str, bool]:
    """(question word, whether the preposition before the answer goes with it)."""
    previous = before.rstrip().rsplit(" ", 1)[-1].lower() if before.strip() else ""
    if kind == "date":
        return rng.choice(["When", "When", "On what date", "On what day"]), True
    if kind == "year":
        return rng.choice(["When", "In what year", "What year", "In which year"]), True
    if kind == "number":
        counted = re.match(r"\s*((?:[a-z-]+ )?[a-z-]+s)\b", after)
        if counted and not re.search(r"[$%]", answer):
            return ("How many " + counted.group(1) if rng.random() < 0.8 else "How many"), False
        return rng.choice(["How much", "How many", "What number", "What"]), False
    if kind == "name":
        if previous in ("in", "at", "near", "to", "from", "through", "across"):
            return rng.choice(["Where", "Where", "In which place", "In what place"]), True
        acts = (
            r"\s*(who|said|was born|wrote|told|argued|believed|died|thought|became|asked|married|discovered|invented)"
        )
        if re.match(acts, after) or previous in ("by", "president", "king", "professor", "mr.", "dr.", "general"):
            return "Who", False
        return rng.choice(["Who", "What", "Which", "What"]), False
    if kind == "reason":
        return "Why", True
    return rng.choice(["What", "What", "What", "Which"]), False


def ask(before: str, answer: str, after: str, kind: str, rng: random.Random) -> str | None:
    """Rewrites `before ANSWER after` as a question; falls back on a cloze."""
    wh, drops_preposition = question_word(kind, before, after, answer, rng)
    if wh.startswith("How many "):
        after = re.sub(r"^\s*(?:[a-z-]+ )?[a-z-]+s\b", "", after, count=1)
    before, after = before.strip(), after.strip().rstrip(".!?;: ")
    if kind in ("phrase", "quote"):
        before = re.sub(r"\s*\b(the|a|an)$", "", before)
    if rng.random() < 0.6:
        before, after = clause_around(before, after)
    if kind == "reason":
        before = re.sub(r",?\s*\b(because|in order to|due to|because of|due)( of)?( to)?$", "", before).strip()
    if not before:
        plain = "What" if wh in ("When", "In what year", "What year", "Where", "Why") else wh
        return f"{plain} {after}?" if len(after) >= 12 else None
    if re.fullmatch(r"(?:In|On|At|By|During|Since|After|Before|The|A|An)", before) and len(after) > 15:
        return ask_of_opening(wh, before, after.lstrip(", "))
    if drops_preposition:
        prepositions = "in|on|at|near|to|from|by|during|since|until|through|across|around|about|of"
        before = re.sub(rf"\s*\b({prepositions})(?: the)?$", "", before)
    return ask_of_subject(wh, before, after, rng)


def clause_around(before: str, after: str) -> tuple[str, str]:
    before = re.split(r"[;:] |, (?:and|but|which|who|while) ", before)[-1]
    if after[:1] in ",;(":
        return before, ""
    return before, re.split(r"[;:,(] ?| (?:and|but|which|while|although) ", after)[0]


def ask_of_opening(wh: str, opening: str, body: str) -> str:
    """'In ANSWER, somebody did something' and 'The ANSWER is something'."""
    m = re.search(AUXILIARY, body)
    if m and m.start() > 2:
        return f"{wh} {m.group(1)} {lower_first(body[: m.start()].strip())} {body[m.end() :].strip()}?"
    m = PAST.search(body)
    if m and m.start() > 2 and opening not in ("The", "A", "An"):
        return f"{wh} did {lower_first(body[: m.start()].strip())} {base_form(m.group(1))} {body[m.end() :].strip()}?"
    return f"{wh} {body}?" if opening in ("The", "A", "An") else f"{wh}: {body}?"


def ask_of_subject(wh: str, before: str, after: str, rng: random.Random) -> str:
    """'Somebody did ANSWER after': the auxiliary moves to the front, or do-support is added."""

    def joined(m: re.Match, auxiliary: str, verb: str) -> str:
        subject, rest = lower_first(before[: m.start()].strip(" ,")), before[m.end() :].strip()
        return " ".join(x for x in (wh, auxiliary, subject, verb, rest, after) if x) + "?"

    m = re.search(AUXILIARY, before)
    if m and m.start() > 2:
        return joined(m, m.group(1), "")
    m = PAST.search(before)
    if m and m.start() > 2:
        return joined(m, "did", base_form(m.group(1)))
    m = re.search(r"\b([a-z]{3,}[^s\W])s\b", before)
    if m and m.start() > 3 and rng.random() < 0.5:
        return joined(m, "does", m.group(1))
    if rng.random() < 0.5:
        opening = lower_first(before) if rng.random() < 0.3 else before
        return " ".join(x for x in (opening, wh.lower(), after) if x) + "?"
    blank = rng.choice(["Fill in the blank: ", "Complete: ", "Which words are missing: ", ""])
    return blank + f"{before} ____ {after}".strip()
