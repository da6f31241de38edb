"""Writes code-1.jsonl.xz: sources of installed npm and PyPI packages whose licence is permissive, in the corpus' form.

python code_corpus.py --npm ../node_modules --pypi .venv/lib/python3.11/site-packages --out corpus-code
"""

import argparse
import hashlib
import json
import lzma
import random
import re
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

PERMISSIVE = re.compile(r"^\W*(MIT|ISC|Apache|BSD|0BSD|Unlicense|CC0|BlueOak|PSF|Python-2|Zlib)", re.I)
SHARED = re.compile(r"\b(L?GPL|AGPL|MPL|EUPL)\b", re.I)
SUFFIXES = {".py", ".js", ".mjs", ".cjs", ".ts"}
SKIPPED = re.compile(r"\.min\.|/(_vendor|vendored|vendor|third_party|testing/data)/|bundle|\.test\.|webgpu/dist")
GENERATED = re.compile(r"@generated|auto-?generated|do not edit", re.I)
LARGEST, LONGEST_LINE = 60_000, 220


def npm_files(root: Path) -> Iterator[tuple[str, str, Path]]:
    """(package, licence, file) of every package below a node_modules folder."""
    for manifest in [*root.glob("*/package.json"), *root.glob("@*/*/package.json")]:
        data = json.loads(manifest.read_text(encoding="utf-8", errors="replace"))
        licence = data.get("license")
        licence = licence.get("type") if isinstance(licence, dict) else licence
        for path in manifest.parent.rglob("*"):
            if "node_modules" not in path.relative_to(manifest.parent).parts:
                yield str(data.get("name", manifest.parent.name)), str(licence), path


def pypi_files(root: Path) -> Iterator[tuple[str, str, Path]]:
    """(distribution, licence, file) of every distribution installed in a site-packages folder."""
    for distribution in distributions(path=[str(root)]):
        metadata = distribution.metadata
        classifiers = [c for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]
        short = [re.sub(r".*:: ", "", c) for c in classifiers]
        licence = metadata.get("License-Expression") or (short or [metadata.get("License") or "?"])[0]
        for file in distribution.files or []:
            yield metadata["Name"], licence.split("\n")[0][:60], Path(str(distribution.locate_file(file)))


def usable(path: Path) -> str | None:
    """The text of a file worth reading, or None."""
    if path.suffix not in SUFFIXES or path.name.endswith(".d.ts") and path.stat().st_size < 600:
        return None
    if SKIPPED.search(path.as_posix()) or not path.is_file() or not 600 < path.stat().st_size < LARGEST:
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    if "\ufffd" in text or GENERATED.search(text[:600]) or max(map(len, text.split("\n"))) > LONGEST_LINE:
        return None
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--npm", nargs="*", default=[])
    parser.add_argument("--pypi", nargs="*", default=[])
    parser.add_argument("--out", required=True, help="folder")
    parser.add_argument("--megabytes", type=float, default=24)
    parser.add_argument("--package-megabytes", type=float, default=4, help="at most so much of one package")
    a = parser.parse_args()
    candidates = [x for root in a.npm for x in npm_files(Path(root))] + [x for r in a.pypi for x in pypi_files(Path(r))]
    random.Random(1).shuffle(candidates)
    out, seen, sizes, total = [], set(), {}, 0
    for package, licence, path in candidates:
        if not PERMISSIVE.match(licence) or SHARED.search(licence) or sizes.get(package, 0) > a.package_megabytes * 1e6:
            continue
        text = usable(path)
        digest = hashlib.sha256((text or "").encode()).digest()
        if text is None or digest in seen:
            continue
        seen.add(digest)
        parts = path.as_posix().split("node_modules/")[-1].split("site-packages/")[-1]
        out.append({"source": f"{package}:{parts}", "licence": licence, "text": text})
        sizes[package] = sizes.get(package, 0) + len(text)
        total += len(text)
        if total > a.megabytes * 1e6:
            break
    folder = Path(a.out)
    folder.mkdir(parents=True, exist_ok=True)
    with lzma.open(folder / "code-1.jsonl.xz", "wt", encoding="utf-8", preset=3) as f:
        f.writelines(json.dumps(record) + "\n" for record in out)
    for package in sorted(sizes, key=sizes.get, reverse=True):
        licence = next(r["licence"] for r in out if r["source"].split(":")[0] == package)
        print(f"{package}\t{licence}\t{sizes[package]}")


if __name__ == "__main__":
    main()
