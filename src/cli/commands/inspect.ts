// `lectern inspect MODEL`: metadata, tensors, whether it can run and why not. Needs no adapter.

import { inspectModel, type ModelInspection, resolveModel } from "../../engine/model/models.ts";
import { defineCommand } from "../command.ts";
import { textTable } from "../textTable.ts";

export const inspect = defineCommand({
  summary: "Show a GGUF file's metadata and tensors, and whether it can run or why not.",
  positionals: { usage: "MODEL", min: 1, max: 1 },
  options: {},
  examples: ["model.gguf", "models/lectern-mini.gguf --json"],
  async run({ positionals: [model = ""] }) {
    const inspection = await inspectModel(await resolveModel(model));
    return { json: inspection, text: inspectionText(inspection) };
  },
});

function inspectionText(inspection: ModelInspection): string {
  const { name, architecture, numParameters, weightBytes, version, problem } = inspection;
  const metadata = Object.entries(inspection.metadata).map(([key, value]) => [
    key,
    typeof value === "string" ? oneLine(value) : JSON.stringify(value),
  ]);
  const tensors = inspection.tensors.map((tensor) => [
    tensor.name,
    tensor.type,
    tensor.shape.join(" × "),
  ]);
  return [
    `${name}: ${architecture}, ${numParameters.toLocaleString("en-US")} parameters, ${(weightBytes / 1e6).toFixed(1)} MB of weights, GGUF v${version}`,
    problem === undefined ? "It can run." : `It cannot run: ${problem}`,
    "",
    textTable(["key", "value"], metadata),
    "",
    textTable(["tensor", "type", "shape"], tensors),
  ].join("\n");
}

/** Chat templates run over many lines. */
function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > 100 ? `${line.slice(0, 100)}…` : line;
}
