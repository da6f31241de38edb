// The models on this machine by id, and what one is: its metadata, its tensors, whether it can run and why not.

import { stat, unlink } from "node:fs/promises";
import { resolve } from "node:path";
import type { ModelInfo } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import { embeddedModelPath } from "../resources.ts";
import { codeOf, isForbidden } from "../systemProblem.ts";
import { createTokenizer } from "../tokenizer/createTokenizer.ts";
import type { DecoderConfig } from "./decoderConfig.ts";
import { GgufFile, type TensorInfo } from "./gguf.ts";
import { describeModel } from "./loadWeights.ts";
import type { MetadataScalar, MetadataValue } from "./metadata.ts";
import { type Environment, type FoundModel, findModels } from "./modelFolders.ts";

/** A list too long to show: how many it has, and the first of them. */
export interface ShortenedList {
  readonly count: number;
  readonly first: readonly MetadataScalar[];
}

export interface ModelInspection extends ModelInfo {
  readonly version: number;
  /** Lists beyond 16 values are shortened; integers beyond 2^53 are texts. */
  readonly metadata: Readonly<Record<string, MetadataValue | ShortenedList>>;
  readonly tensors: readonly TensorInfo[];
  readonly weightBytes: number;
  readonly numParameters: number;
  /** Absent when the model cannot run. */
  readonly config?: DecoderConfig;
}

const MAX_SHOWN_VALUES = 16;

/** Every model on this machine, with the reason where one cannot run. */
export async function listModels(environment: Environment = process.env): Promise<ModelInfo[]> {
  const found = await findModels(environment);
  return Promise.all(found.map(describeFound));
}

/**
 * Path of a model given by path or id; the embedded model when none is given.
 * Throws UserError listing what there is when it is neither.
 */
export async function resolveModel(
  model?: string,
  environment: Environment = process.env,
): Promise<string> {
  if (model === undefined || model === "") return embeddedModelPath();
  const missing = await stat(model).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (missing === undefined) return resolve(model);
  if (isForbidden(missing))
    throw new UserError(
      `${model} may not be read by this user (${codeOf(missing)}): check its permissions and those of its folder.`,
    );
  const found = await findModels(environment);
  const match = found.find(({ id }) => id === model);
  if (match !== undefined) return match.path;
  throw new UserError(
    `There is no model ${JSON.stringify(model)}: give the path of a GGUF file, or one of ${found.map(({ id }) => id).join(", ")}.`,
  );
}

/** Delete a model of Lectern's own folder and return its path. Throws UserError for any other: they belong to someone else. */
export async function removeModel(
  id: string,
  environment: Environment = process.env,
): Promise<string> {
  const found = await findModels(environment);
  const model = found.find((candidate) => candidate.id === id);
  const own = found.filter(({ source }) => source === "lectern").map((candidate) => candidate.id);
  const choices = own.length > 0 ? own.join(", ") : "none at the moment";
  if (model === undefined)
    throw new UserError(`There is no model ${JSON.stringify(id)}; those to remove: ${choices}.`);
  if (model.source !== "lectern")
    throw new UserError(
      `${id} belongs to ${model.source}, which Lectern does not change; those to remove: ${choices}.`,
    );
  await unlink(model.path);
  return model.path;
}

/** Everything a GGUF file says. Throws UserError when it cannot be read at all; a model that cannot run has a `problem`. */
export async function inspectModel(path: string): Promise<ModelInspection> {
  const file = await GgufFile.open(path);
  try {
    const tensors = [...file.tensors.values()];
    const { config, ...info } = await describeFile(file, { id: path, path, source: "file" });
    const problem = info.problem ?? tokenizerProblem(file);
    return {
      ...info,
      ...(problem === undefined ? { ...(config && { config }) } : { problem }),
      version: file.version,
      metadata: Object.fromEntries(
        [...file.metadata.values].map(([key, value]) => [key, shorten(value)]),
      ),
      tensors,
      weightBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
      numParameters: tensors.reduce(
        (sum, { shape }) => sum + shape.reduce((product, extent) => product * extent, 1),
        0,
      ),
    };
  } finally {
    await file.close();
  }
}

async function describeFound(found: FoundModel): Promise<ModelInfo> {
  try {
    const file = await GgufFile.open(found.path);
    try {
      const { config: _, ...info } = await describeFile(file, found);
      return info;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const bytes = await stat(found.path).then(
      ({ size }) => size,
      () => 0,
    );
    return {
      ...found,
      name: found.id,
      architecture: "unknown",
      bytes,
      trainedContextLength: 0,
      problem: error.message,
    };
  }
}

async function describeFile(
  file: GgufFile,
  { id, path, source }: FoundModel,
): Promise<ModelInfo & { readonly config?: DecoderConfig }> {
  const { values } = file.metadata;
  const architecture = values.get("general.architecture");
  const name = values.get("general.name");
  const trained = values.get(`${architecture}.context_length`);
  const common = {
    id,
    path,
    source,
    name: typeof name === "string" ? name : id,
    architecture: typeof architecture === "string" ? architecture : "unknown",
    bytes: file.sizeBytes,
    trainedContextLength: typeof trained === "number" ? trained : 0,
  };
  try {
    const { config } = await describeModel(file);
    return { ...common, config };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...common, problem: error.message };
  }
}

/** Why a model that is whole otherwise could not be given any text. */
function tokenizerProblem(file: GgufFile): string | undefined {
  try {
    createTokenizer(file.metadata.values);
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.message;
  }
}

function shorten(value: MetadataValue): MetadataValue | ShortenedList {
  const shown = (item: MetadataScalar): MetadataScalar =>
    typeof item === "bigint" ? item.toString() : item;
  if (typeof value !== "object") return shown(value);
  return value.length <= MAX_SHOWN_VALUES
    ? value.map(shown)
    : { count: value.length, first: value.slice(0, MAX_SHOWN_VALUES).map(shown) };
}
