"""SHA-256 of every chat template of the test data as rendered by Jinja with the settings of Hugging Face's transformers.

pip install jinja2; python chatTemplate.golden.py TEMPLATES_FOLDER > chatTemplate.golden.json
"""

import hashlib
import json
import pathlib
import sys

from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

SYSTEM = {"role": "system", "content": "Answer from the passages."}
QUESTION = {"role": "user", "content": "  [1] a.md:1-2\n<b>Tea & \"cake\"</b>\n\nQuestion: What's there? \n"}
ANSWER = {"role": "assistant", "content": "Tea [1]"}
FOLLOW_UP = {"role": "user", "content": "And?"}
CONVERSATIONS = {
    "question": [QUESTION],
    "instructed": [SYSTEM, QUESTION],
    "followUp": [SYSTEM, QUESTION, ANSWER, FOLLOW_UP],
}
VALUES = {
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "documents": None,
    "enable_thinking": False,
    "date_string": "26 Jul 2024",
}


def refuse(message):
    raise TemplateError(message)


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class Generation(Extension):
    """Marks the assistant's words, for training; renders its body as it is."""

    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation])
environment.filters["tojson"] = to_json
environment.globals["raise_exception"] = refuse
# Under another name, because the day of the test must not matter.
environment.globals["fixed_date"] = lambda form: VALUES["date_string"]


def render(source, messages):
    for tools in (None, []):
        try:
            text = environment.from_string(source).render(messages=messages, tools=tools, **VALUES)
            return hashlib.sha256(text.encode()).hexdigest()
        except (TemplateError, TypeError):
            continue
    return None


hashes = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jinja*")):
    source = path.read_text().replace("strftime_now", "fixed_date")
    hashes[path.name] = {name: render(source, messages) for name, messages in CONVERSATIONS.items()}
print(json.dumps({"values": VALUES, "conversations": CONVERSATIONS, "hashes": hashes}))
