// Renders a Jinja chat template with the first of several sets of values that it accepts. Not bounded in memory: see chatTemplate.ts.

import { runInNewContext } from "node:vm";
import { Template } from "@huggingface/jinja";

export interface RenderRequest {
  readonly template: string;
  /** Sets of variables, best first: templates differ in what they refuse. At least one. */
  readonly variants: readonly Readonly<Record<string, unknown>>[];
}

export type RenderResult =
  | { readonly state: "rendered"; readonly text: string; readonly variant: number }
  | { readonly state: "failed"; readonly reason: string };

/** Longest text a template may produce; what users wrote is put in afterwards. */
const MAX_CHARACTERS = 2 ** 20;
/** The parent kills the process earlier; should the parent be gone, nothing spins on. */
const TIMEOUT_MS = 5000;

/** The text of the first variant that renders, else why the first one failed. */
export function renderTemplate({ template, variants }: RenderRequest): RenderResult {
  const reasons: string[] = [];
  for (const [variant, values] of variants.entries()) {
    try {
      const run = () => new Template(template).render({ ...values });
      const text: string = runInNewContext("run()", { run }, { timeout: TIMEOUT_MS });
      if (text.length <= MAX_CHARACTERS) return { state: "rendered", text, variant };
      reasons.push(`it wrote more than ${MAX_CHARACTERS} characters`);
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { state: "failed", reason: reasons[0] ?? "no values" };
}
