// `lectern detokenize FILE|-`: the inverse of tokenize. Reads its JSON, a JSON list, or numbers between spaces.

import { openTokenizer } from "../../engine/openTokenizer.ts";
import { defineCommand } from "../command.ts";
import { parseTokens, readText } from "../input.ts";
import { modelOptions } from "../options.ts";

export const detokenize = defineCommand({
  summary: "Print the text behind token ids, from a file or standard input.",
  positionals: { usage: "FILE|-", min: 1, max: 1 },
  options: {
    model: modelOptions.model,
    special: {
      type: "boolean",
      description: "Write special tokens out instead of leaving them out.",
    },
  },
  examples: ["tokens.json", "- < tokens.json"],
  async run({ values, positionals: [file = ""] }) {
    const tokenizer = await openTokenizer(values.model);
    const tokens = parseTokens(await readText(file), file, tokenizer.vocabSize);
    const text = tokenizer.decode(tokens, { special: values.special === true });
    return { json: { text }, text, isVerbatim: true };
  },
});
