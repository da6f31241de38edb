// Child process that renders one chat template and ends. Templates come with downloaded models: they may loop for ever or
// fill the memory, and V8 aborts the whole process for an allocation that is too large, worker threads included.

import { runInNewContext } from "node:vm";
import { Template } from "@huggingface/jinja";

/** Longest text a template may produce; what users wrote is put in afterwards. */
const MAX_CHARACTERS = 2 ** 20;
/** The parent kills this process earlier; should the parent be gone, nothing spins on. */
const TIMEOUT_MS = 5000;

export interface RenderRequest {
  readonly template: string;
  readonly values: Readonly<Record<string, unknown>>;
}

export type RenderReply =
  | { readonly state: "ready" }
  | { readonly state: "rendered"; readonly text: string }
  | { readonly state: "failed"; readonly reason: string };

process.once("message", (request: RenderRequest) => {
  process.send?.(render(request), undefined, undefined, () => process.disconnect());
});
process.send?.({ state: "ready" } satisfies RenderReply);

function render({ template, values }: RenderRequest): RenderReply {
  try {
    const run = () => new Template(template).render({ ...values });
    const text: string = runInNewContext("run()", { run }, { timeout: TIMEOUT_MS });
    if (text.length > MAX_CHARACTERS)
      return { state: "failed", reason: `it wrote more than ${MAX_CHARACTERS} characters` };
    return { state: "rendered", text };
  } catch (error) {
    return { state: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
}
