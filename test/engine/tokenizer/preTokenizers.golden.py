"""Lengths, in UTF-16 units, of the parts of test strings as split by Hugging Face's `tokenizers`, configured as the models' own tokenizer.json files are.

pip install tokenizers; python preTokenizers.golden.py > preTokenizers.golden.json
"""

import json
import random

from tokenizers import Regex
from tokenizers import pre_tokenizers as pre

CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+%s|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*%s|%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + TAIL
)
HAN_HANGUL = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
DEEPSEEK3 = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"| ?[\p{P}\p{S}]+[\r\n]*|" + TAIL
)


def split(*patterns):
    return [pre.Split(Regex(pattern), "isolated") for pattern in patterns]


def byte_level(use_regex):
    return pre.ByteLevel(add_prefix_space=False, use_regex=use_regex)


PRE_TOKENIZERS = {
    "gpt-2": [byte_level(True)],
    "smollm": [pre.Digits(individual_digits=True), byte_level(True)],
    "falcon": [pre.Punctuation("contiguous"), byte_level(True), *split("[0-9][0-9][0-9]")],
    "llama-bpe": [*split(CL100K % r"\p{N}{1,3}"), byte_level(False)],
    "qwen2": [*split(CL100K % r"\p{N}"), byte_level(False)],
    "gpt-4o": [*split(O200K % (CONTRACTION + "?", CONTRACTION + "?", r"\p{N}{1,3}")), byte_level(False)],
    "tekken": [*split(O200K % ("", "", r"\p{N}")), byte_level(False)],
    "deepseek-coder": [
        *split(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN_HANGUL),
        pre.Digits(individual_digits=True),
        byte_level(False),
    ],
    "deepseek-v3": [*split(r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK3), byte_level(False)],
}

TEXTS = [
    "Hello, y'all! How are you 😁 ?我想在apple工作1314151天～",
    "  leading\n\n\n  \t\tmixed   white space \r\n trailing   ",
    "I'M can'T we'Ll it's 'tis they’re o'clock 'ſo",
    "1 22 333 4444 55555 12.5e-10 0xFF ٣٤٥ ⅧⅨ ½²",
    "camelCase HTMLParser snake_case SCREAMING_CASE iPhone McDonald",
    "for (let i = 0; i < n; i++) { a[i] += b?.c ?? `x${y}`; } // done\n\tend",
    "Привет, МИР! Ἀθήνα ΑΘΗΝΑ Ärger ÜBER ǅungla",
    "カタカナひらがな漢字 한국어 ภาษาไทย हिन्दी العربية",
    "\u0085\u00a0\u3000\u2028\ufeffa\u200bb e\u0301 👩\u200d💻",
    "https://example.com/a/b?c=d&e=f#g user@host.tld C:\\dir\\file.txt",
]
POOLS = ["abcXYZ", "  \t\n\r", "0123456789", "'stremdlv", ".,!?$+<=>^~|`@#/", "éÄжДΩσʰª", "中文かカ한", "😀\u0301\u00a0\u3000"]


def fuzz(count):
    rng = random.Random(11)
    for _ in range(count):
        yield "".join(rng.choice(rng.choice(POOLS)) for _ in range(rng.randint(1, 24)))


texts = TEXTS + list(fuzz(40))
splits = {}
for name, steps in PRE_TOKENIZERS.items():
    sequence = pre.Sequence(steps)
    splits[name] = [
        [len(text[start:end].encode("utf-16-le")) // 2 for _, (start, end) in sequence.pre_tokenize_str(text)]
        for text in texts
    ]
print(json.dumps({"texts": texts, "splits": splits}, ensure_ascii=True))
