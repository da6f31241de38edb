// Options that several commands share, and the settings they become. Ids come from the engine's registries.

import { MIN_CONTEXT_LENGTH, settingChoices } from "../engine/modelSettings.ts";
import type { ModelSettings, SamplingSettings } from "../protocol.ts";
import type { Options, Values } from "./command.ts";

const model = "Model and cache";
const sampling = "Sampling";

/** For every command that runs a model. */
export const modelOptions = {
  model: {
    type: "string",
    value: "PATH|ID",
    group: model,
    description: "A GGUF file, or an id of `lectern models`. Default: the embedded model.",
  },
  "context-length": {
    type: "integer",
    min: MIN_CONTEXT_LENGTH,
    group: model,
    description:
      "Tokens a prompt and its answer may take together. Default: as the model was trained, at most 32768.",
  },
  "chunk-length": {
    type: "integer",
    group: model,
    description: "Tokens prefilled at once. Default: by the adapter.",
  },
  "cache-policy": {
    type: "string",
    value: "ID",
    ids: settingChoices.cachePolicy,
    group: model,
    description: "Which tokens stay in the cache. Default: full, all of them.",
  },
  "cache-budget": {
    type: "integer",
    min: 2,
    group: model,
    description: "Tokens kept per layer and KV head, sinks and recent ones included. Default 4096.",
  },
  "cache-allocation": {
    type: "string",
    value: "ID",
    ids: settingChoices.cacheAllocation,
    group: model,
    description:
      "How the budget, then a mean, is shared out among layers and KV heads. Default: uniform.",
  },
  "cache-sinks": {
    type: "integer",
    min: 0,
    group: model,
    description: "First tokens that are always kept. Default 4.",
  },
  "cache-recent": {
    type: "integer",
    min: 1,
    group: model,
    description: "Last tokens that are always kept. Default: by the policy.",
  },
  "cache-recall": {
    type: "integer",
    min: 0,
    group: model,
    description:
      "Evicted tokens that may come back for a question, to each layer and KV head. Default: 0, and what suits the model where a text is read into a saved cache.",
  },
  "cache-query-stride": {
    type: "integer",
    min: 1,
    group: model,
    description:
      "Policies that look at attention record every so many-th query. Default 1, which is exact.",
  },
  "cache-type-k": {
    type: "string",
    value: "ID",
    ids: settingChoices.cacheTypeK,
    group: model,
    description:
      "How keys are stored in the cache. Default f16; for caches of whole documents auto, q8_0 where it fits.",
  },
  "cache-type-v": {
    type: "string",
    value: "ID",
    ids: settingChoices.cacheTypeV,
    group: model,
    description:
      "How values are stored in the cache. Default f16; for caches of whole documents auto, q4_0 where it fits.",
  },
  "cache-residual": {
    type: "integer",
    min: 0,
    group: model,
    description:
      "Newest tokens held in f16 beside quantised ones, and the first four with them. Default 0.",
  },
  "cache-rotation": {
    type: "string",
    value: "ID",
    ids: settingChoices.cacheRotation,
    group: model,
    description:
      "What is turned by a Hadamard matrix before it is cached, so that fewer bits hold it. Default off.",
  },
  "cache-smoothing": {
    type: "string",
    value: "off|on",
    ids: settingChoices.cacheSmoothing,
    group: model,
    description:
      "Keys divided by the size of their dimensions (SmoothAttention), as `lectern calibrate` found it. Default off.",
  },
  "cache-dir": {
    type: "string",
    value: "DIR",
    group: model,
    description:
      "Where caches are saved, up to 20 GB together, the least recently used removed. Default: the user's cache folder.",
  },
  "rope-scaling": {
    type: "string",
    value: "ID",
    ids: settingChoices.ropeScaling,
    group: model,
    description:
      "How positions are stretched beyond the trained length. auto: as the file says; where it says nothing, yarn.",
  },
  "rope-factor": {
    type: "number",
    value: "F",
    min: 1,
    group: model,
    description: "By how much positions are stretched. Default: as the file says, or as needed.",
  },
  "position-scheme": {
    type: "string",
    value: "ID",
    ids: settingChoices.positionScheme,
    group: model,
    description: "Which position a cached token has. Default: by the policy.",
  },
  "prefill-sparsity": {
    type: "string",
    value: "ID",
    ids: settingChoices.prefillSparsity,
    group: model,
    description: "Which blocks of attention prefill computes. Default: dense, all of them.",
  },
  "prefill-threshold": {
    type: "number",
    value: "T",
    max: 1,
    group: model,
    description:
      "Part of the blocks, or of the attention foretold, that sparse prefill attends to; 1 is dense. Default: by the method.",
  },
  adapter: {
    type: "string",
    value: "NAME",
    group: model,
    description: "Part of the name of the GPU adapter to use. Default: the fastest.",
  },
  "matrix-units": {
    type: "string",
    value: "auto|off",
    ids: settingChoices.matrixUnits,
    group: model,
    description:
      "Whether long inputs are multiplied on the GPU's matrix units. Default auto: where it has any, and they pass a check.",
  },
} as const satisfies Options;

/** For commands that generate text. */
export const samplingOptions = {
  "max-tokens": {
    type: "integer",
    group: sampling,
    description: "Tokens to generate at most.",
  },
  temperature: {
    type: "number",
    value: "T",
    group: sampling,
    description: "0 always takes the likeliest token (default); 1 samples as the model predicts.",
  },
  "top-k": { type: "integer", group: sampling, description: "Sample from the N likeliest tokens." },
  "top-p": {
    type: "number",
    value: "P",
    min: 0.001,
    max: 1,
    group: sampling,
    description: "Sample from the likeliest tokens that together have probability P.",
  },
  "min-p": {
    type: "number",
    value: "P",
    max: 1,
    group: sampling,
    description: "Leave out tokens less likely than P times the likeliest.",
  },
  "repetition-penalty": {
    type: "number",
    value: "F",
    min: 0.1,
    group: sampling,
    description: "Above 1: make tokens that occurred before less likely.",
  },
  seed: {
    type: "integer",
    min: 0,
    max: 2 ** 32 - 1,
    group: sampling,
    description: "Same seed, same text.",
  },
  stop: {
    type: "string",
    multiple: true,
    group: sampling,
    description: "End where the model writes this text. May be given several times.",
  },
} as const satisfies Options;

/** The model settings among a command's values. */
export function modelSettings(values: Values<typeof modelOptions>): ModelSettings {
  return pick(values, modelOptions);
}

/** The sampling settings among a command's values. */
export function samplingSettings(values: Values<typeof samplingOptions>): SamplingSettings {
  return pick(values, samplingOptions);
}

/** Values of `options`, their names in camel case as the protocol has them. */
function pick(values: Readonly<Record<string, unknown>>, options: Options): object {
  const given = Object.keys(options).filter((name) => values[name] !== undefined);
  return Object.fromEntries(given.map((name) => [camelCase(name), values[name]]));
}

function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
