// `lectern convert SRC -o FILE.gguf`: other formats become GGUF.

import { convertModel } from "../../engine/convert/convertModel.ts";
import { defineCommand, UsageError } from "../command.ts";

export const convert = defineCommand({
  summary:
    "Write a llama2.c checkpoint, or a vocabulary (vocab.json, tiktoken, SentencePiece), as GGUF.",
  positionals: { usage: "SRC", min: 1, max: 1 },
  options: {
    output: { type: "string", short: "o", value: "FILE.gguf", description: "Required." },
    type: {
      type: "string",
      ids: ["f32", "f16", "q8_0"],
      description: "Format of the matrices. Default f32.",
    },
    tokenizer: {
      type: "string",
      value: "FILE",
      description: "SentencePiece model of a checkpoint. Default: the only .model file beside it.",
    },
    pre: {
      type: "string",
      value: "NAME",
      description: "Pre-tokenizer of a byte-level vocabulary, where its files do not name it.",
    },
  },
  examples: ["stories260K.bin -o stories.gguf", "qwen2.5/ --pre qwen2 -o qwen-vocab.gguf"],
  async run({ values, positionals: [source = ""] }) {
    const { output, type, tokenizer, pre } = values;
    if (output === undefined) throw new UsageError("-o FILE.gguf is missing.");
    const result = await convertModel(source, output, {
      ...(type !== undefined && { type: type as "f32" | "f16" | "q8_0" }),
      ...(tokenizer !== undefined && { tokenizer }),
      ...(pre !== undefined && { pre }),
    });
    const { kind, bytes, numTensors } = result;
    const text = `${output}: ${kind}, ${numTensors} tensors, ${bytes.toLocaleString("en-US")} bytes`;
    return { json: result, text };
  },
});
