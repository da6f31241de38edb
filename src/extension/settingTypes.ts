// The settings that go to the engine with a request, and the types of their values: VS Code marks a value of another type, but hands it over.

import type { ModelSettings } from "../protocol.ts";
import { CannotAskError } from "./conversation.ts";

type SettingType = "string" | "integer" | "number";

/** Every name of ModelSettings, with package.json's type; `satisfies` makes a new one a compile error until it is listed. */
export const modelSettingTypes = {
  model: "string",
  contextLength: "integer",
  chunkLength: "integer",
  cachePolicy: "string",
  cacheBudget: "integer",
  cacheAllocation: "string",
  cacheSinks: "integer",
  cacheRecent: "integer",
  cacheQueryStride: "integer",
  cacheRecall: "integer",
  cacheTypeK: "string",
  cacheTypeV: "string",
  cacheResidual: "integer",
  cacheRotation: "string",
  cacheSmoothing: "string",
  cacheDir: "string",
  ropeScaling: "string",
  ropeFactor: "number",
  positionScheme: "string",
  prefillSparsity: "string",
  prefillThreshold: "number",
  adapter: "string",
  matrixUnits: "string",
} as const satisfies Record<keyof ModelSettings, SettingType>;

/** How a message calls what was expected. */
const NAMES = {
  string: "text",
  integer: "whole number",
  number: "number",
} as const satisfies Record<SettingType, string>;

/** The settings that are not empty. Throws CannotAskError naming the first whose value has a wrong type. */
export function checkedSettings(read: (name: string) => unknown): ModelSettings {
  const values = Object.entries(modelSettingTypes).flatMap(([name, type]) => {
    const value = checkedValue(name, type, read(name));
    return value === undefined ? [] : [[name, value] as const];
  });
  // Names and types were just checked.
  return Object.fromEntries(values) as ModelSettings;
}

/** The value of one setting, undefined where it is empty. Throws CannotAskError where its type is wrong. */
export function checkedValue(name: string, type: SettingType, value: unknown): unknown {
  if (value === null || value === undefined || value === "") return undefined;
  if (isOf(type, value)) return value;
  throw new CannotAskError(
    `The setting lectern.${name} is ${JSON.stringify(value)}, which is no ${NAMES[type]}: correct or remove it.`,
    "openSettings",
  );
}

function isOf(type: SettingType, value: unknown): boolean {
  if (type === "string") return typeof value === "string";
  return type === "integer" ? Number.isInteger(value) : Number.isFinite(value);
}
