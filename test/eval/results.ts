// The committed results: read as `lectern eval --out` wrote them.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Evaluation } from "../../src/cli/eval/evaluation.ts";
import { repositoryRoot } from "../support/testData.ts";
import { measurements, sweeps } from "./plan.ts";

/** A result file leaves out where its cases lie. */
export interface Result extends Omit<Evaluation, "journal"> {
  readonly name: string;
  /** File names of its pictures. */
  readonly pictures: readonly string[];
}

/** Folder of a measurement's results. */
export function resultFolder(name: string): string {
  return join(repositoryRoot, "test/eval/results", name);
}

/** The results there are, in the plan's order. */
export function readResults(): Result[] {
  return [...measurements, ...sweeps].flatMap(({ name, args: [suite = ""] }) => {
    const folder = resultFolder(name);
    const file = join(folder, `${suite}.json`);
    if (!existsSync(file)) return [];
    const pictures = readdirSync(folder).filter((picture) => picture.endsWith(".svg"));
    // Written by writeEvaluation.
    const evaluation = JSON.parse(readFileSync(file, "utf8")) as Omit<Evaluation, "journal">;
    return [{ ...evaluation, name, pictures: pictures.sort() }];
  });
}
