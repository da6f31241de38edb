// `lectern tokenize FILE|-`: token ids of a text. Works on vocabulary-only GGUF files, needs no adapter.

import { openTokenizer } from "../../engine/openTokenizer.ts";
import { defineCommand } from "../command.ts";
import { readText } from "../input.ts";
import { modelOptions } from "../options.ts";

export const tokenize = defineCommand({
  summary: "Print the token ids of a text file, or of standard input.",
  positionals: { usage: "FILE|-", min: 1, max: 1 },
  options: {
    model: modelOptions.model,
    special: { type: "boolean", description: "Put BOS and EOS where the model wants them." },
  },
  examples: ["book.txt --json", "- < book.txt"],
  async run({ values, positionals: [file = ""] }) {
    const tokenizer = await openTokenizer(values.model);
    const text = await readText(file);
    const tokens = tokenizer.encode(text, { addSpecial: values.special === true });
    return { json: { tokens }, text: tokens.join(" ") };
  },
});
