"""What is read and what is held out: documents, SQuAD articles, and other questions that people wrote.

Held out everywhere: the last four articles of squad-v1.1-a (also where squad-v2.0-a repeats them), which are the development set, and
those of squad-v2.0-a, every context that shares ten words in a row with the development set, and one document in a hundred.
"""

import json
import lzma
import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from passages import Question

DEV_ARTICLES = 4
SHINGLE = 10
EXCLUDED = re.compile(r"moby|war.and.peace|bible|king.james|vuejs/core|psf/black|burntsushi/ripgrep", re.I)
TEXTBOOK = re.compile(r"/osbooks-")
CODE_NAME = re.compile(r"\.(tsx?|jsx?|mjs|cjs|py|rs|go|c|h|cc|cpp|hpp|java|kt|rb|cs|swift|sh|lua|php)$")


@dataclass
class Document:
    path: str
    text: str
    code: bool
    held_out: bool
    textbook: bool = False


@dataclass
class Paragraph:
    context: str
    questions: list[Question] = field(default_factory=list)


@dataclass
class Article:
    title: str
    paragraphs: list[Paragraph]


def read_jsonl(path: Path) -> Iterator[dict]:
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8", errors="replace") as f:
        for line in f:
            yield json.loads(line)


def shards(folder: str, pattern: str = "*") -> list[Path]:
    return sorted([*Path(folder).glob(pattern + ".jsonl"), *Path(folder).glob(pattern + ".jsonl.xz")])


def load_documents(folders: list[str], limit_chars: float | None = None, seed: int = 0) -> list[Document]:
    """Every document of every shard of the folders, or an even share of each shard up to `limit_chars` in all."""
    files = [path for folder in folders for path in shards(folder) if not path.name.startswith("qa")]
    share = limit_chars / len(files) if limit_chars else float("inf")
    out = []
    for file in files:
        taken = 0
        for record in read_jsonl(file):
            text, source = record.get("text") or "", str(record.get("source") or "text.txt")
            path = source.split(":")[-1]
            if len(text) < 400 or EXCLUDED.search(source):
                continue
            if taken > share:
                break
            taken += len(text)
            held_out = zlib.crc32(path.encode()) % 100 == 0
            out.append(Document(path, text, bool(CODE_NAME.search(path)), held_out, bool(TEXTBOOK.search(source))))
    random.Random(seed).shuffle(out)
    return out


def load_squad(folder: str) -> tuple[list[Article], list[Article]]:
    """(training articles, development articles), each with the unanswerable questions that v2.0 adds. The last four articles of v2.0 are
    in neither, unless they are v1.1's."""

    def read(name: str) -> list[dict]:
        path = Path(folder) / name
        return json.loads(path.read_text(encoding="utf-8"))["data"] if path.exists() else []

    one, two = read("squad-v1.1-a.json"), read("squad-v2.0-a.json")
    held = {article["title"] for article in one[-DEV_ARTICLES:]}
    unused = {article["title"] for article in two[-DEV_ARTICLES:]} - held
    found: tuple[dict, dict] = ({}, {})
    for version, articles in ((1, one), (2, two)):
        for article in articles:
            if article["title"] in unused:
                continue
            paragraphs = found[article["title"] in held].setdefault(article["title"], {})
            for p in article["paragraphs"]:
                paragraph = paragraphs.setdefault(p["context"], Paragraph(p["context"]))
                for q in p["qas"]:
                    if version == 1:
                        paragraph.questions.append(Question(q["question"], [x["text"] for x in q["answers"]]))
                    elif q.get("is_impossible"):
                        paragraph.questions.append(Question(q["question"], []))
    train, dev = ([Article(t, list(ps.values())) for t, ps in part.items()] for part in found)
    return train, dev


def shingles(text: str) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


def load_human(
    folders: list[str], dev: list[Article], longest_answer: int = 100, longest_context: int = 1800
) -> list[Article]:
    """Questions of the qa shards with a short answer that stands in the context; long contexts are cut around it."""
    forbidden = set().union(*(shingles(p.context) for article in dev for p in article.paragraphs))
    articles: dict[str, dict[str, Paragraph]] = {}
    for path in (p for folder in folders for p in shards(folder, "qa*")):
        for record in read_jsonl(path):
            context, source = (record.get("context") or "").strip(), str(record.get("source") or "")
            question = " ".join(record["question"].split())
            if len(context) < 60 or len(question) > 300 or "squad" in source.lower():
                continue
            if (found := locate(context, record.get("answers") or [], longest_answer)) is None:
                continue
            start, end = found
            answer = context[start:end]
            window = cut_window(context, start, end, longest_context)
            if answer not in window or shingles(window) & forbidden:
                continue
            repository, _, name = source.partition(":")
            title = Path(name or repository).stem or "text"
            paragraph = articles.setdefault(title, {}).setdefault(window, Paragraph(window))
            paragraph.questions.append(Question(question, [answer]))
    return [Article(title, list(paragraphs.values())) for title, paragraphs in articles.items()]


def locate(context: str, answers: list[str], longest: int) -> tuple[int, int] | None:
    """Where the first answer that is short enough stands in the context, case and a last full stop aside."""
    for answer in answers:
        wanted = answer.strip().rstrip(".").strip()
        if 0 < len(wanted) <= longest and wanted.lower() not in ("yes", "no"):
            m = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", context) or re.search(
                rf"(?<!\w){re.escape(wanted)}(?!\w)", context, re.I
            )
            if m:
                return m.span()
    return None


def cut_window(context: str, start: int, end: int, longest: int) -> str:
    """Whole sentences of the context around start..end, at most about `longest` characters."""
    if len(context) <= longest:
        return context
    cuts = [0, *(m.end() for m in re.finditer(r"[.!?]\s+|\n+", context)), len(context)]
    margin = max(0, longest - (end - start)) // 2
    begin = min((c for c in cuts if c >= start - margin and c <= start), default=start)
    stop = max((c for c in cuts if c <= end + margin and c >= end), default=end)
    return context[begin:stop].strip()
