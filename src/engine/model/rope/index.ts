// The RoPE scalings. To add one: a file here and a line below; no kernel changes.

import { UserError } from "../../errors.ts";
import type { RopeConfig } from "../decoderConfig.ts";
import { dynamicNtk } from "./dynamicNtk.ts";
import { linear } from "./linear.ts";
import { llama3 } from "./llama3.ts";
import { longRope } from "./longRope.ts";
import { none } from "./none.ts";
import { ntk } from "./ntk.ts";
import type { RopeScaling } from "./scaling.ts";
import { yarn } from "./yarn.ts";

export const ropeScalings = {
  none,
  linear,
  ntk,
  "dynamic-ntk": dynamicNtk,
  yarn,
  longrope: longRope,
  llama3,
} as const satisfies Record<string, RopeScaling>;

export type RopeScalingId = keyof typeof ropeScalings;

/** How far a model's positions are to go: the user's factor, and the positions that are needed. */
export interface Reach {
  readonly factor?: number | undefined;
  readonly positions?: number;
}

/**
 * The scaling a setting names. `auto` (or none given) is what the model file asks for; where that is none and positions go beyond the
 * trained ones, YaRN, which alone found keys at four times the trained length without training (test/eval/RESULTS.md).
 * @throws UserError naming the known ones
 */
export function ropeScalingOf(
  setting: string | undefined,
  rope: RopeConfig,
  { factor = 1, positions = 0 }: Reach = {},
): RopeScaling {
  if (setting === undefined || setting === "auto") {
    const isBeyond = factor > 1 || positions > rope.originalContextLength;
    return rope.scaling.type === "none" && isBeyond ? yarn : ropeScalings[rope.scaling.type];
  }
  const found = Object.entries(ropeScalings).find(([id]) => id === setting);
  if (found === undefined) {
    throw new UserError(
      `There is no RoPE scaling "${setting}": choose auto, ${Object.keys(ropeScalings).join(", ")}.`,
    );
  }
  return found[1];
}

/** What a scaling is called. */
export function ropeScalingIdOf(scaling: RopeScaling): string {
  const found = Object.entries(ropeScalings).find(([, known]) => known === scaling);
  return found?.[0] ?? "none";
}
