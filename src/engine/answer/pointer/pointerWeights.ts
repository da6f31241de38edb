// The span pointer's file beside the model it was trained over: training/pointer.py writes it.

import { existsSync } from "node:fs";
import { fileDigest } from "../../cache/modelDigest.ts";
import { UserError } from "../../errors.ts";
import { GgufFile } from "../../model/gguf.ts";
import { runnableTensorTypes } from "../../model/tensorTypes.ts";
import { weightFormats } from "../../model/weightFormats/index.ts";

export type Weights = ReadonlyMap<string, Float32Array>;

export interface PointerWeights {
  /** Layers of the model that are behind the states it looks at; 0: its embeddings. */
  readonly layers: readonly number[];
  /** Tokens a span has at most behind its first. */
  readonly longest: number;
  /** Added to the mean square that states are divided by. */
  readonly epsilon: number;
  /** Matrices [outputs, inputs] by their names in PyTorch. */
  readonly tensors: Weights;
}

/** Where the pointer of the model at `modelPath` lies, if it has one. */
export function pointerPath(modelPath: string): string {
  return modelPath.replace(/(?:\.gguf)?$/, ".pointer.gguf");
}

/**
 * Read the pointer that belongs to a model; undefined where there is none. Throws UserError where the file is damaged, or was
 * trained over another model, StoppedError when the signal fires.
 */
export async function readPointer(
  modelPath: string,
  signal?: AbortSignal,
): Promise<PointerWeights | undefined> {
  const path = pointerPath(modelPath);
  if (!existsSync(path)) return undefined;
  const file = await GgufFile.open(path);
  try {
    const { metadata } = file;
    if (metadata.string("lectern.pointer.model") !== (await fileDigest(modelPath, signal)))
      throw metadata.problem("it belongs to another model than the one beside it.");
    const layers = metadata.optionalNumbers("lectern.pointer.layers") ?? [];
    const longest = metadata.integer("lectern.pointer.longest");
    const epsilon = metadata.number("lectern.pointer.epsilon");
    const tensors = new Map<string, Float32Array>();
    for (const name of file.tensors.keys()) tensors.set(name, await readTensor(file, name));
    return { layers, longest, epsilon, tensors };
  } finally {
    await file.close();
  }
}

/** A matrix by its name. Throws UserError for a file without it. */
export function requireWeights(weights: Weights, name: string): Float32Array {
  const found = weights.get(name);
  if (found === undefined)
    throw new UserError(`The span pointer has no ${name}: delete its file, or train it anew.`);
  return found;
}

async function readTensor(file: GgufFile, name: string): Promise<Float32Array> {
  const info = file.tensors.get(name);
  const type = runnableTensorTypes.find((format) => format === info?.type);
  if (!info || !type) throw file.metadata.problem(`it holds ${name} in a type that is not read.`);
  const values = new Float32Array(info.shape.reduce((product, size) => product * size, 1));
  weightFormats[type].dequantize(await file.readTensorRange(name, 0, info.bytes), values);
  return values;
}
