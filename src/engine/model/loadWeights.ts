// A checkpoint opened for the decoder: its config and its weights by role and layer, each read in slices of rows,
// so that a file of any size passes through a few megabytes of host memory.

import { throwIfStopped } from "../errors.ts";
import {
  type ModelArchitecture,
  ropeFactorTensors,
  type WeightLocation,
} from "./architectures/architecture.ts";
import { architectureOf } from "./architectures/index.ts";
import { findNonFinite } from "./checkFinite.ts";
import type { DecoderConfig, WeightRole } from "./decoderConfig.ts";
import { GgufFile, type TensorInfo } from "./gguf.ts";
import { type RunnableTensorType, rowBytes, runnableTensorTypes } from "./tensorTypes.ts";
import { weightFormats } from "./weightFormats/index.ts";
import { layerWeightShapes, modelWeightShapes, type WeightShape } from "./weightShapes.ts";

export interface RowSlice {
  readonly firstRow: number;
  readonly numRows: number;
  /** Whole rows in the weight's format, as the file stores them. */
  readonly bytes: Uint8Array;
}

/** One weight: a matrix of `rows` × `cols`, or a vector as one row. */
export interface Weight {
  readonly role: WeightRole;
  /** Undefined for weights outside the layers. */
  readonly layer: number | undefined;
  /** Name in the file, for messages. Weights that share a tensor have the same name. */
  readonly tensor: string;
  readonly format: RunnableTensorType;
  readonly rows: number;
  readonly cols: number;
  readonly rowBytes: number;
  readonly bytes: number;
  /**
   * The rows in order, in slices of at most `maxBytes` (at least 64 rows, and a multiple of 64 except the last).
   * Throws UserError on NaN or infinite weights and when the file shrank.
   */
  slices(maxBytes?: number, signal?: AbortSignal): AsyncGenerator<RowSlice, void>;
}

const vectorFormats: ReadonlySet<RunnableTensorType> = new Set(["f32", "f16", "bf16"]);
const DEFAULT_SLICE_BYTES = 8 * 2 ** 20;
const SLICE_ROWS = 64;

export class ModelWeights {
  readonly file: GgufFile;
  readonly config: DecoderConfig;
  readonly #weights: ReadonlyMap<string, Weight>;

  constructor(file: GgufFile, config: DecoderConfig, architecture: ModelArchitecture) {
    this.file = file;
    this.config = config;
    this.#weights = locateWeights(file, config, architecture);
  }

  /** A weight by role, and layer for those of layers. The output of a tied model is its embedding. Undefined if the model has none. */
  get(role: WeightRole, layer?: number): Weight | undefined {
    const own = this.#weights.get(weightKey(role, layer));
    return own ?? (role === "output" ? this.#weights.get(weightKey("embedding", undefined)) : own);
  }

  /** Every weight once, the embedding first, then layer by layer. */
  all(): Weight[] {
    return [...this.#weights.values()];
  }

  /** Bytes of all weights in the file's formats. */
  get bytes(): number {
    return this.all().reduce((sum, weight) => sum + weight.bytes, 0);
  }

  /** A weight of an unquantised format as f32: norms and biases. Throws if the model has none. */
  async readVector(role: WeightRole, layer?: number): Promise<Float32Array> {
    const weight = this.get(role, layer);
    if (weight === undefined) throw new Error(`the model has no ${role} in layer ${layer}`);
    const values = new Float32Array(weight.rows * weight.cols);
    for await (const { firstRow, bytes } of weight.slices())
      values.set(decodeFloats(weight.format, bytes), firstRow * weight.cols);
    return values;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/**
 * Open a model for running: parse its header, read its config, check that every weight is there with the right shape
 * and a supported format, and that nothing is left over. Throws UserError saying what is wrong.
 */
export async function openModel(path: string): Promise<ModelWeights> {
  const file = await GgufFile.open(path);
  try {
    return await describeModel(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** As `openModel`, for a file that is open already; the file stays open on errors. */
export async function describeModel(file: GgufFile): Promise<ModelWeights> {
  const architecture = architectureOf(file.metadata);
  if (file.tensors.size === 0)
    throw file.metadata.problem("it holds a vocabulary but no weights: nothing to run.");
  const numParts = file.metadata.optionalInteger("split.count") ?? 1;
  if (numParts > 1)
    throw file.metadata.problem(
      `it is one of ${numParts} parts of a model; join them with llama-gguf-split --merge.`,
    );
  const ropeFactors = new Map<string, Float32Array>();
  for (const name of ropeFactorTensors) {
    const tensor = file.tensors.get(name);
    if (tensor !== undefined) ropeFactors.set(name, await readSmallTensor(file, tensor));
  }
  const { metadata, tensors } = file;
  const config = architecture.config({ metadata, tensors, ropeFactors });
  return new ModelWeights(file, config, architecture);
}

function locateWeights(
  file: GgufFile,
  config: DecoderConfig,
  architecture: ModelArchitecture,
): Map<string, Weight> {
  const weights = new Map<string, Weight>();
  const rowsOf = new Map<string, number>();
  const locate = (shapes: ReadonlyMap<WeightRole, WeightShape>, layer?: number): void => {
    for (const [role, shape] of shapes) {
      const location = architecture.weights[role];
      if (location === undefined)
        throw new Error(`${architecture.id} does not say where its ${role} is`);
      const weight = locateWeight(file, config, { role, layer, shape, location });
      weights.set(weightKey(role, layer), weight);
      rowsOf.set(weight.tensor, (rowsOf.get(weight.tensor) ?? 0) + weight.rows);
    }
  };
  locate(modelWeightShapes(config));
  for (let layer = 0; layer < config.numLayers; layer++) locate(layerWeightShapes(config), layer);
  refuseLeftovers(file, rowsOf);
  return weights;
}

function locateWeight(
  file: GgufFile,
  config: DecoderConfig,
  {
    role,
    layer,
    shape,
    location,
  }: { role: WeightRole; layer: number | undefined; shape: WeightShape; location: WeightLocation },
): Weight {
  const name = location.tensor.replace("{layer}", `${layer}`);
  const tensor = file.tensors.get(name);
  if (tensor === undefined)
    throw file.metadata.problem(
      `the tensor ${name} is missing. Download or convert the model again.`,
    );
  const format = runnableTensorTypes.find((type) => type === tensor.type);
  if (format === undefined)
    throw file.metadata.problem(
      `its weights of format ${tensor.type.toUpperCase()} (${name}) are not supported; choose a model in ${runnableTensorTypes.map((type) => type.toUpperCase()).join(", ")}.`,
    );
  if (shape.rows === 1 && !vectorFormats.has(format))
    throw file.metadata.problem(
      `${name} is in ${format.toUpperCase()}; norms and biases must be F32, F16 or BF16. Convert the model again.`,
    );
  const firstRow = location.firstRow?.(config) ?? 0;
  const [cols = 1, rows = 1, ...more] = tensor.shape;
  const neededRows = firstRow + shape.rows;
  const fits = location.firstRow ? neededRows <= rows : neededRows === rows;
  if (cols !== shape.cols || !fits || more.some((extent) => extent !== 1))
    throw file.metadata.problem(
      `${name} is ${tensor.shape.join(" × ")}; its metadata ask for ${shape.cols} × ${neededRows}. Download or convert the model again.`,
    );
  const bytesPerRow = rowBytes(format, shape.cols);
  const start = firstRow * bytesPerRow;
  return {
    role,
    layer,
    tensor: name,
    format,
    ...shape,
    rowBytes: bytesPerRow,
    bytes: shape.rows * bytesPerRow,
    async *slices(maxBytes = DEFAULT_SLICE_BYTES, signal?: AbortSignal) {
      const rowsPerSlice =
        Math.max(1, Math.floor(maxBytes / bytesPerRow / SLICE_ROWS)) * SLICE_ROWS;
      for (let row = 0; row < shape.rows; row += rowsPerSlice) {
        throwIfStopped(signal);
        const numRows = Math.min(rowsPerSlice, shape.rows - row);
        const bytes = await file.readTensorRange(
          name,
          start + row * bytesPerRow,
          numRows * bytesPerRow,
        );
        const bad = findNonFinite(format, bytes);
        if (bad >= 0)
          throw file.metadata.problem(
            `${name} holds a weight that is no number (near index ${(firstRow + row) * shape.cols + bad}). Download or convert the model again.`,
          );
        yield { firstRow: row, numRows, bytes };
      }
    },
  };
}

/** A tensor that nobody reads is a block this decoder lacks: running without it would be a different model. */
function refuseLeftovers(file: GgufFile, rowsOf: ReadonlyMap<string, number>): void {
  const known: ReadonlySet<string> = new Set(ropeFactorTensors);
  for (const tensor of file.tensors.values()) {
    if (known.has(tensor.name) || rowsOf.get(tensor.name) === (tensor.shape[1] ?? 1)) continue;
    throw file.metadata.problem(
      rowsOf.has(tensor.name)
        ? `${tensor.name} is ${tensor.shape.join(" × ")}; its metadata ask for ${rowsOf.get(tensor.name)} rows. Download or convert the model again.`
        : `it has a tensor ${tensor.name} that Lectern does not know. Choose another model.`,
    );
  }
}

async function readSmallTensor(file: GgufFile, tensor: TensorInfo): Promise<Float32Array> {
  const limit = 2 ** 20;
  const { type } = tensor;
  if (tensor.bytes > limit || (type !== "f32" && type !== "f16" && type !== "bf16"))
    throw file.metadata.problem(
      `${tensor.name} is ${type} with ${tensor.bytes} bytes; up to ${limit} in F32 are possible. Download or convert the model again.`,
    );
  return decodeFloats(type, await file.readTensorRange(tensor.name, 0, tensor.bytes));
}

function decodeFloats(format: RunnableTensorType, bytes: Uint8Array): Float32Array {
  const { blockSize, blockBytes, dequantize } = weightFormats[format];
  const values = new Float32Array((bytes.length / blockBytes) * blockSize);
  dequantize(bytes, values);
  return values;
}

function weightKey(role: WeightRole, layer: number | undefined): string {
  return layer === undefined ? role : `${role}.${layer}`;
}
