// `lectern models`: what is on this machine and can be given to --model; `pull` and `remove` change Lectern's own folder.

import { removeModel } from "../../engine/model/models.ts";
import { pullModel } from "../../engine/model/pullModel.ts";
import { ProgressMeter } from "../../engine/progress.ts";
import { type Context, defineCommand, type Result, UsageError } from "../command.ts";
import { textTable } from "../textTable.ts";

export const models = defineCommand({
  summary:
    "List the models on this machine (own, Ollama, LM Studio, Hugging Face); pull one, or remove an own one.",
  positionals: { usage: "[pull URL | remove ID]", min: 0, max: 2 },
  options: {
    sha256: {
      type: "string",
      value: "HEX",
      description: "Digest of the file to pull, as its page shows it. Required for pull.",
    },
  },
  examples: ["", "pull https://example.org/model.gguf --sha256 0123…"],
  async run({ values: { sha256 }, positionals: [action, target] }, context) {
    if (action === undefined) return list(context);
    if (action !== "pull" && action !== "remove")
      throw new UsageError(`models cannot "${action}": it can pull and remove.`);
    if (target === undefined) {
      throw new UsageError(`models ${action} needs ${action === "pull" ? "a URL" : "an ID"}.`);
    }
    if (action === "pull") return pull(target, sha256, context);
    const path = await removeModel(target);
    return { json: { removed: path }, text: `removed ${path}` };
  },
});

async function list({ engine }: Context): Promise<Result> {
  const result = await engine.models();
  const rows = result.models.map(({ id, source, architecture, bytes, problem }) => [
    id,
    source,
    architecture,
    `${(bytes / 1e6).toFixed(0)} MB`,
    problem ?? "",
  ]);
  return { json: result, text: textTable(["id", "from", "architecture", "size", "problem"], rows) };
}

async function pull(
  url: string,
  sha256: string | undefined,
  { observer, signal }: Context,
): Promise<Result> {
  if (sha256 === undefined) throw new UsageError("pull needs --sha256 HEX.");
  const meter = new ProgressMeter(observer, "load", "bytes");
  const path = await pullModel(url, {
    sha256,
    onProgress: (done, total) => meter.report(done, total ?? 0),
    signal,
  });
  return { json: { path }, text: path };
}
