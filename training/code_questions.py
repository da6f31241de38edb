"""Questions made by rule from source code: values, types, return values, defaults, imports, base classes, where a name is defined."""

import random
import re

from passages import Passage

MODIFIERS = r"(?:export |pub |public |static |async |default |abstract |final )*"
VALUE = ["What is the value of {0}?", "What is {0} set to?", "To which value is {0} initialised?"]
RETURN_TYPE = ["What is the return type of {0}?", "Which type does {0} return?"]
BASE = ["Which class does {0} extend?", "What is the base class of {0}?", "What does {0} inherit from?"]
IMPORTED = ["From which module is {0} imported?", "Where is {0} imported from?"]
# (pattern, templates): group 1 is asked for, group 2 (or the first that matched after it) is the answer.
RULES = [
    (
        r"^\s*(?:export )?(?:const|let|var|static|final|pub const|pub static) (?:\w+ )?(\w{3,})"
        r"(?:\s*:\s*[\w<>\[\]| &']+)?\s*=\s*([^;\n{(=]{1,40})\s*[;,]?$",
        VALUE,
    ),
    (r"^\s*([A-Z][A-Z0-9_]{2,})\s*=\s*([^\n{(\[=]{1,40})$", VALUE),
    (r"^#define\s+(\w{3,})\s+([^\n\\(]{1,40})$", ["What is {0} defined as?", "What is the value of the macro {0}?"]),
    (r"\bclass (\w{3,})(?:<[^>]*>)?(?:\((\w[\w.]*)\)| extends ([\w.]+))", BASE),
    (
        r"\bclass (\w{3,})[^{\n]* implements ([\w.]+)",
        ["Which interface does {0} implement?", "What does {0} implement?"],
    ),
    (r"^\s*import (?:type )?\{ ?(\w{3,})[^}\n]*\} from ['\"]([^'\"\n]+)['\"]", IMPORTED),
    (
        r"^\s*(?:readonly |public |private |pub |static )*(\w{3,})\??: ([A-Z]?[\w<>\[\]]{3,30})[;,]$",
        ["What is the type of {0}?", "Which type does {0} have?"],
    ),
    (r"\bfn (\w{3,})[^\n{;]*\) -> ([^\n{;]{2,40}?) ?[{;]", RETURN_TYPE),
    (r"\bdef (\w{3,})\([^\n]*\) -> ([^\n:]{2,40}):", RETURN_TYPE),
    (r"\bfunction (\w{3,})\([^\n]*\): ([^\n{]{2,40}?) \{", RETURN_TYPE),
    (
        r"\b(?:def|function|fn|func) (\w{3,})\([^\n]*\n(?:[^\n]*\n){0,4}?\s*return ([^\n;]{2,50});?\n",
        ["What does {0} return?", "What is returned by {0}?", "Which value does {0} return?"],
    ),
]
COMPILED = [(re.compile(pattern, re.M), templates) for pattern, templates in RULES]
FROM_IMPORT = re.compile(r"^\s*from ([\w.]+) import (\w{3,})", re.M)
SIGNATURE = re.compile(r"\b(?:def|function|constructor|async)\s+(\w{3,})?\s*\(([^)]{5,300})\)")
DEFAULT = re.compile(r"(\w{2,})(?:\s*:\s*[\w.\[\]| ]+)?\s*=\s*([^,()\n]{1,30})")
DEFAULT_QUESTIONS = [
    "What is the default value of {0}{1}?",
    "What does {0} default to{1}?",
    "Which default does the parameter {0} have{1}?",
]
DEFINES = re.compile(
    rf"^\s*{MODIFIERS}(?:class|interface|function|def|fn|struct|enum|trait|type|func) (\w{{3,}})", re.M
)
WHERE = [
    "Which file defines {0}?",
    "Where is {0} defined?",
    "In which file is {0}?",
    "What file contains the definition of {0}?",
]
COMMENT = re.compile(rf"(?://|#) ?([A-Z][^\n]{{25,90}})\n\s*{MODIFIERS}(?:function|def|fn|const|class) (\w{{3,}})")
DESCRIBED = [
    "Which function or class does this: {0}?",
    "What is the name of the code described as: {0}?",
    "Which definition: {0}?",
]

Pair = tuple[str, str]


def code_questions(passage: Passage, rng: random.Random, want: int) -> list[Pair]:
    """Up to `want` (question, answer) pairs; every answer stands in the passage or in its header."""
    text = passage.text + "\n"
    found = [*by_rules(text, rng), *defaults(text, rng)]
    found += [(rng.choice(IMPORTED).format(m.group(2)), m.group(1)) for m in FROM_IMPORT.finditer(text)]
    found += [
        (rng.choice(WHERE).format(m.group(1)), passage.path) for m in DEFINES.finditer(text) if rng.random() < 0.5
    ]
    for m in COMMENT.finditer(text):
        words = [w for w in m.group(1).rstrip(". ").split(" ") if rng.random() < 0.8]
        found.append((rng.choice(DESCRIBED).format(" ".join(words)), m.group(2)))
    rng.shuffle(found)
    out: list[Pair] = []
    seen: set[str] = set()
    for question, answer in found:
        stands = answer in passage.text or answer == passage.path
        if answer and stands and question not in seen and answer not in seen:
            seen.update((question, answer))
            out.append((question, answer))
    return out[:want]


def by_rules(text: str, rng: random.Random) -> list[Pair]:
    out = []
    for pattern, templates in COMPILED:
        for m in pattern.finditer(text):
            groups = [g for g in m.groups() if g]
            if len(groups) > 1:
                answer = groups[1].strip().rstrip(",;")
                out.append((rng.choice(templates).format(groups[0]), answer.strip("'\"") or answer))
    return out


def defaults(text: str, rng: random.Random) -> list[Pair]:
    out = []
    for m in SIGNATURE.finditer(text):
        where = f" in {m.group(1)}" if m.group(1) else ""
        for d in DEFAULT.finditer(m.group(2)):
            out.append((rng.choice(DEFAULT_QUESTIONS).format(d.group(1), where), d.group(2).strip()))
    return out
