// `lectern generate`: raw completion of a prompt, or a chat turn through the model's template.

import { defineCommand, UsageError } from "../command.ts";
import { readText } from "../input.ts";
import { modelOptions, modelSettings, samplingOptions, samplingSettings } from "../options.ts";

export const generate = defineCommand({
  summary: "Continue a prompt. Prints the new text only.",
  positionals: { usage: "", min: 0, max: 0 },
  options: {
    prompt: { type: "string", description: "The text to continue." },
    "prompt-file": { type: "string", value: "FILE", description: "Read the prompt from a file." },
    chat: { type: "boolean", description: "Put the prompt into the model's chat template." },
    ...modelOptions,
    ...samplingOptions,
  },
  examples: ['--prompt "Once upon a time" --max-tokens 50'],
  async run({ values }, { engine, observer, signal, stream }) {
    const prompt = await readPrompt(values.prompt, values["prompt-file"]);
    const settings = { ...modelSettings(values), ...samplingSettings(values) };
    const generation = await engine.generate(
      { prompt, chat: values.chat === true, ...settings },
      { ...observer, token: stream },
      signal,
    );
    return { json: generation, text: "\n" };
  },
});

async function readPrompt(prompt: string | undefined, file: string | undefined): Promise<string> {
  if (prompt !== undefined && file !== undefined)
    throw new UsageError("--prompt and --prompt-file exclude each other: give one.");
  if (file !== undefined) return readText(file);
  if (prompt === undefined) throw new UsageError("--prompt TEXT or --prompt-file FILE is missing.");
  return prompt;
}
