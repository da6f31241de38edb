// Picks the settings of a model out of an operation's parameters, and refuses those that this version lacks.

import type { ModelSettings } from "../protocol.ts";
import { cacheAllocations } from "./cache/allocations/index.ts";
import { cachePolicies } from "./cache/policies/index.ts";
import { positionSchemes } from "./cache/positionSchemes.ts";
import { cacheRotations } from "./cache/rotation.ts";
import { cacheTypeChoices } from "./cache/types.ts";
import { UserError } from "./errors.ts";
import { ropeScalings } from "./model/rope/index.ts";
import { prefillSparsityIds } from "./model/sparsity/index.ts";

/** Longest context unless asked for: the cache grows with what is read, this only bounds it. */
export const DEFAULT_CONTEXT_LENGTH = 32_768;

/** A prompt of one token, and one behind it. */
export const MIN_CONTEXT_LENGTH = 2;

/** What each setting may be: any value, or an id of a registry; `undefined` where the feature does not exist. */
export const settingChoices = {
  model: "any",
  contextLength: "any",
  chunkLength: "any",
  adapter: "any",
  matrixUnits: ["auto", "off"],
  cacheTypeK: cacheTypeChoices("keys"),
  cacheTypeV: cacheTypeChoices("values"),
  cacheResidual: "any",
  cacheRotation: Object.keys(cacheRotations),
  cacheSmoothing: ["off", "on"],
  cachePolicy: Object.keys(cachePolicies),
  cacheBudget: "any",
  cacheAllocation: Object.keys(cacheAllocations),
  cacheSinks: "any",
  cacheRecent: "any",
  cacheQueryStride: "any",
  cacheRecall: "any",
  cacheDir: "any",
  ropeScaling: ["auto", ...Object.keys(ropeScalings)],
  ropeFactor: "any",
  positionScheme: Object.keys(positionSchemes),
  prefillSparsity: prefillSparsityIds,
  prefillThreshold: "any",
} as const satisfies Record<keyof ModelSettings, "any" | readonly string[] | undefined>;

/**
 * The settings among `params`.
 * @throws UserError for one that does not exist in this version, naming those that do
 */
export function modelSettings(params: ModelSettings): ModelSettings {
  const given = Object.entries(settingChoices).flatMap(([name, allowed]) => {
    // Every name is a key of ModelSettings.
    const value = params[name as keyof ModelSettings];
    if (value === undefined || value === null || value === "") return [];
    check(name, value, allowed);
    return [[name, value] as const];
  });
  return Object.fromEntries(given);
}

function check(
  name: string,
  value: string | number,
  allowed: "any" | readonly string[] | undefined,
): void {
  if (allowed === "any" || allowed?.includes(String(value))) return;
  const choice = allowed
    ? `choose ${allowed.join(" or ")}.`
    : "leave it out, this version does not have it.";
  throw new UserError(`The setting ${name} cannot be "${value}": ${choice}`);
}
