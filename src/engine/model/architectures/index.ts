// The architectures Lectern runs. To add one: a file here and a line below.

import type { Metadata } from "../metadata.ts";
import type { ModelArchitecture } from "./architecture.ts";
import { gemma3 } from "./gemma3.ts";
import { llama } from "./llama.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";

export const architectures = { llama, qwen2, qwen3, gemma3, phi3 } as const satisfies Record<
  string,
  ModelArchitecture
>;

export type ArchitectureId = keyof typeof architectures;

/** The architecture a file names. Throws UserError listing the supported ones when it is another. */
export function architectureOf(metadata: Metadata): ModelArchitecture {
  const id = metadata.string("general.architecture");
  const found = Object.values(architectures).find((architecture) => architecture.id === id);
  if (found === undefined)
    throw metadata.problem(
      `its architecture ${JSON.stringify(id)} is not supported; choose a model of ${Object.keys(architectures).join(", ")}.`,
    );
  return found;
}
