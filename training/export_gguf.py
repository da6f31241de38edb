"""Writes a checkpoint as GGUF (architecture llama, SentencePiece vocabulary, matrices in float16 or Q8_0, norms in float32) and reads it back; or
takes the weights out of such a file again, to go on training from it.

    python export_gguf.py export --model runs/mini/weights.pt --tokenizer tokenizer.model --name "Lectern Mini" --out mini.gguf
    python export_gguf.py import --gguf ../models/lectern-mini.gguf --out mini.pt

Nothing is permuted: model.py turns interleaved pairs, which is what GGUF's `llama` means. The output matrix is the embedding.
"""

import argparse

import numpy as np
import sentencepiece
import torch

from checkpoint import load_weights, save_weights
from gguf_file import (
    ALIGNMENT,
    ARRAY,
    BOOL,
    FLOAT32,
    INT32,
    STRING,
    UINT32,
    Entry,
    GgufReader,
    as_float32,
    q8_0,
    write_gguf,
)
from model import Config, Model

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
BLOCK_NAMES = {
    "attn_norm": "attn_norm",
    "wq": "attn_q",
    "wk": "attn_k",
    "wv": "attn_v",
    "wo": "attn_output",
    "ffn_norm": "ffn_norm",
    "w_gate": "ffn_gate",
    "w_up": "ffn_up",
    "w_down": "ffn_down",
}
FILE_TYPES = {"f16": 1, "q8_0": 7}
PROMPT_FORMAT = "reader"
# The system message holds the numbered passages; see passages.py.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'Question: ' + message['content'] + '\\nAnswer:' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token + '\\n' }}{% endif %}{% endfor %}"
)
LICENCE = "MIT"
SOURCES = [
    "SQuAD 1.1 and 2.0 development sets, half (CC BY-SA 4.0)",
    "FairytaleQA, COVID-QA (Apache-2.0); SelQA, QED (Wikipedia text, CC BY-SA 3.0); OneStopQA (CC BY-SA 4.0); ConditionalQA (BSD-2-Clause, OGL 3.0); PubMedQA, StrategyQA (MIT)",
    "OpenStax textbooks (CC BY 4.0); public-domain books of Project Gutenberg and Standard Ebooks",
    "Technical documentation under CC0, CC BY, CC BY-SA, MIT, BSD, Apache-2.0 and PostgreSQL licences",
    "Sources of npm and PyPI packages under permissive licences",
]


def tensor_name(key: str) -> str:
    parts = key.split(".")
    if parts[0] == "blocks":
        return f"blk.{parts[1]}.{BLOCK_NAMES[parts[2]]}.weight"
    return {"embed": "token_embd.weight", "norm": "output_norm.weight"}[parts[0]]


def vocabulary(path: str) -> tuple[list[str], list[float], list[int]]:
    sp = sentencepiece.SentencePieceProcessor(model_file=path)
    ids = range(sp.get_piece_size())

    def kind(i: int) -> int:
        return UNKNOWN if sp.is_unknown(i) else CONTROL if sp.is_control(i) else BYTE if sp.is_byte(i) else NORMAL

    return [sp.id_to_piece(i) for i in ids], [sp.get_score(i) for i in ids], [kind(i) for i in ids]


def make_metadata(c: Config, name: str, tokenizer: str, file_type: str) -> list[Entry]:
    pieces, scores, kinds = vocabulary(tokenizer)
    if len(pieces) != c.vocab:
        raise ValueError(f"The tokenizer has {len(pieces)} pieces, the model {c.vocab}: they do not belong together.")
    scalars = [
        ("general.architecture", STRING, "llama"),
        ("general.name", STRING, name),
        ("general.license", STRING, LICENCE.lower()),
        ("general.file_type", UINT32, FILE_TYPES[file_type]),
        ("general.alignment", UINT32, ALIGNMENT),
        ("general.quantization_version", UINT32, 2),
        ("llama.context_length", UINT32, c.context),
        ("llama.embedding_length", UINT32, c.dim),
        ("llama.block_count", UINT32, c.layers),
        ("llama.feed_forward_length", UINT32, c.hidden),
        ("llama.attention.head_count", UINT32, c.heads),
        ("llama.attention.head_count_kv", UINT32, c.kv_heads),
        ("llama.attention.key_length", UINT32, c.head_dim),
        ("llama.attention.value_length", UINT32, c.head_dim),
        ("llama.attention.layer_norm_rms_epsilon", FLOAT32, c.eps),
        ("llama.rope.dimension_count", UINT32, c.head_dim),
        ("llama.rope.freq_base", FLOAT32, c.theta),
        *(
            [("llama.rope.scaling.type", STRING, "linear"), ("llama.rope.scaling.factor", FLOAT32, c.interpolation)]
            if c.interpolation != 1
            else []
        ),
        *(
            [
                ("llama.rope.scaling.type", STRING, "yarn"),
                ("llama.rope.scaling.factor", FLOAT32, c.yarn),
                ("llama.rope.scaling.original_context_length", UINT32, c.original_context),
            ]
            if c.yarn != 1
            else []
        ),
        ("llama.vocab_size", UINT32, c.vocab),
        ("lectern.prompt_format", STRING, PROMPT_FORMAT),
        ("tokenizer.chat_template", STRING, CHAT_TEMPLATE),
        ("tokenizer.ggml.model", STRING, "llama"),
        ("tokenizer.ggml.unknown_token_id", UINT32, 0),
        ("tokenizer.ggml.bos_token_id", UINT32, 1),
        ("tokenizer.ggml.eos_token_id", UINT32, 2),
        ("tokenizer.ggml.add_bos_token", BOOL, True),
        ("tokenizer.ggml.add_eos_token", BOOL, False),
        ("tokenizer.ggml.add_space_prefix", BOOL, True),
    ]
    arrays = [
        ("lectern.sources", SOURCES, STRING),
        ("tokenizer.ggml.tokens", pieces, STRING),
        ("tokenizer.ggml.scores", scores, FLOAT32),
        ("tokenizer.ggml.token_type", kinds, INT32),
    ]
    return [(*s, None) for s in scalars] + [(key, ARRAY, values, element) for key, values, element in arrays]


def export(a: argparse.Namespace) -> None:
    model, _ = load_weights(a.model)
    metadata = make_metadata(model.config, a.name, a.tokenizer, a.type)
    convert = {"f16": lambda array: array.astype(np.float16), "q8_0": q8_0}[a.type]
    tensors = []
    for key, p in model.state_dict().items():
        array = p.detach().float().numpy()
        tensors.append((tensor_name(key), array if array.ndim == 1 else convert(array)))
    write_gguf(a.out, metadata, tensors)
    back = GgufReader(a.out)
    same = all(np.array_equal(back.tensors[name], array) for name, array in tensors)
    if not same or {entry[0] for entry in metadata} != set(back.metadata):
        raise RuntimeError(f"{a.out} does not read back as it was written.")
    print(f"{a.out}: {len(tensors)} tensors, {model.parameters_count()} parameters; read back identical")


def import_weights(a: argparse.Namespace) -> None:
    """The inverse of export, into the file `train.py --init` reads."""
    gguf = GgufReader(a.gguf)
    shape = {
        "vocab": "llama.vocab_size",
        "dim": "llama.embedding_length",
        "layers": "llama.block_count",
        "heads": "llama.attention.head_count",
        "kv_heads": "llama.attention.head_count_kv",
        "head_dim": "llama.attention.key_length",
        "hidden": "llama.feed_forward_length",
        "context": "llama.context_length",
        "theta": "llama.rope.freq_base",
        "eps": "llama.attention.layer_norm_rms_epsilon",
    }
    field = {"linear": "interpolation", "yarn": "yarn"}.get(gguf.metadata.get("llama.rope.scaling.type", ""))
    scaling = {field: gguf.metadata["llama.rope.scaling.factor"]} if field else {}
    original = gguf.metadata.get("llama.rope.scaling.original_context_length", 0)
    config = Config(**{name: gguf.metadata[key] for name, key in shape.items()}, **scaling, original_context=original)
    model = Model(config)
    model.load_state_dict(
        {key: torch.tensor(as_float32(gguf.tensors[tensor_name(key)])) for key in model.state_dict()}
    )
    save_weights(a.out, model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = parser.add_subparsers(dest="command", required=True)
    e = sub.add_parser("export")
    e.add_argument("--model", required=True)
    e.add_argument("--tokenizer", required=True)
    e.add_argument("--name", default="Lectern Mini")
    e.add_argument("--type", choices=sorted(FILE_TYPES), default="f16")
    i = sub.add_parser("import")
    i.add_argument("--gguf", required=True)
    for p in (e, i):
        p.add_argument("--out", required=True)
    a = parser.parse_args()
    export(a) if a.command == "export" else import_weights(a)


if __name__ == "__main__":
    main()
