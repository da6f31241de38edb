"""Trains the SentencePiece BPE vocabulary: byte fallback, identity normalisation, digits one by one, runs of spaces as pieces.

python tokenizer.py --corpus ../../shared/corpus --squad ../../shared/data/squad --vocab 4096 --out tokenizer
"""

import argparse
import random

import sentencepiece

from corpus import load_documents, load_squad
from rows import BOS, EOS

CODE_SHARE = 0.3
WINDOW_CHARS = 40_000


def sample_lines(corpus: list[str], squad: str, chars: float) -> list[str]:
    """Lines of windows of documents that are not held out, and every SQuAD paragraph and question to train on."""
    rng = random.Random(0)
    documents = [d for d in load_documents(corpus) if not d.held_out]
    lines = []
    for share, code in ((1 - CODE_SHARE, False), (CODE_SHARE, True)):
        size = 0
        for d in documents:
            if d.code != code:
                continue
            begin = rng.randrange(max(1, len(d.text) - WINDOW_CHARS))
            window = [line[:2000] for line in d.text[begin : begin + WINDOW_CHARS].split("\n") if line.strip()]
            lines += window
            size += sum(map(len, window))
            if size > chars * share:
                break
    for article in load_squad(squad)[0]:
        for p in article.paragraphs:
            lines += [p.context, *(f"Question: {q.text} Answer:" for q in p.questions)]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", nargs="+", required=True)
    parser.add_argument("--squad", required=True)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--chars", type=float, default=20e6)
    parser.add_argument("--out", required=True, help="prefix: OUT.model and OUT.vocab are written")
    a = parser.parse_args()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sample_lines(a.corpus, a.squad, a.chars)),
        model_prefix=a.out,
        vocab_size=a.vocab,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.9995,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        allow_whitespace_only_pieces=True,
        max_sentence_length=8000,
        max_sentencepiece_length=16,
        unk_id=0,
        bos_id=BOS,
        eos_id=EOS,
        pad_id=-1,
    )


if __name__ == "__main__":
    main()
