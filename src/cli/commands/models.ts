// `lectern models`: what is on this machine and can be given to --model.

import { defineCommand } from "../command.ts";
import { textTable } from "../textTable.ts";

export const models = defineCommand({
  summary: "List the models on this machine: Lectern's own, Ollama's, LM Studio's, Hugging Face's.",
  positionals: { usage: "", min: 0, max: 0 },
  options: {},
  async run(_, { engine }) {
    const result = await engine.models();
    const rows = result.models.map(({ id, source, architecture, bytes, problem }) => [
      id,
      source,
      architecture,
      `${(bytes / 1e6).toFixed(0)} MB`,
      problem ?? "",
    ]);
    return {
      json: result,
      text: textTable(["id", "from", "architecture", "size", "problem"], rows),
    };
  },
});
