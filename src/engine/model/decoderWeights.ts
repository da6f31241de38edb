// A model's weights on the GPU, grouped as the decoder applies them: q, k, v as one matrix, gate and up as another.

import type { Gpu } from "../gpu/device.ts";
import type { WeightRole } from "./decoderConfig.ts";
import {
  type GpuMatrix,
  type MatrixSource,
  releaseMatrix,
  uploadInterleaved,
  uploadStacked,
} from "./gpuMatrix.ts";
import type { ModelWeights, Weight } from "./loadWeights.ts";
import { createLinear, type Linear, type LinearOutput } from "./operations/linear.ts";

export interface LayerWeights {
  readonly attentionNorm: GPUBuffer;
  readonly qkv: Linear;
  /** [numKvHeads * headDim]: what `qkv` leaves out of the keys, where it was asked to. */
  readonly keyBias: Float32Array | undefined;
  /** [2, headDim]: query norm, key norm; any buffer where the model has none. */
  readonly qkNorms: GPUBuffer;
  readonly attentionOutput: Linear;
  readonly attentionPostNorm: GPUBuffer | undefined;
  readonly mlpNorm: GPUBuffer;
  readonly gateUp: Linear;
  readonly down: Linear;
  readonly mlpPostNorm: GPUBuffer | undefined;
}

export interface DecoderWeights {
  readonly embedding: GpuMatrix;
  readonly layers: readonly LayerWeights[];
  readonly outputNorm: GPUBuffer;
  readonly output: Linear;
  dispose(): void;
}

export interface UploadOptions {
  /** Bytes of the file uploaded so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Keys come without their bias. */
  readonly isKeyBiasApart?: boolean | undefined;
}

/** Stream every weight to the GPU and compile what multiplies with it. */
export async function uploadWeights(
  gpu: Gpu,
  weights: ModelWeights,
  options: UploadOptions = {},
): Promise<DecoderWeights> {
  const uploader = new Uploader(gpu, weights, options);
  try {
    return await uploader.all();
  } catch (error) {
    uploader.dispose();
    throw error;
  }
}

class Uploader {
  readonly #gpu: Gpu;
  readonly #weights: ModelWeights;
  readonly #options: UploadOptions;
  readonly #buffers: GPUBuffer[] = [];
  readonly #matrices: GpuMatrix[] = [];
  readonly #linears: Linear[] = [];
  #done = 0;

  constructor(gpu: Gpu, weights: ModelWeights, options: UploadOptions) {
    this.#gpu = gpu;
    this.#weights = weights;
    this.#options = options;
  }

  async all(): Promise<DecoderWeights> {
    const { config } = this.#weights;
    const embedding = await this.#stacked(["embedding"]);
    const layers: LayerWeights[] = [];
    for (let layer = 0; layer < config.numLayers; layer++) layers.push(await this.#layer(layer));
    const outputNorm = await this.#vector(["outputNorm"]);
    const matrix = config.tiedOutput ? embedding : await this.#stacked(["output"]);
    const output = await this.#linear(matrix, "set");
    return { embedding, layers, outputNorm, output, dispose: () => this.dispose() };
  }

  dispose(): void {
    for (const linear of this.#linears) linear.dispose();
    for (const matrix of this.#matrices) releaseMatrix(this.#gpu, matrix);
    for (const buffer of this.#buffers) this.#gpu.buffers.release(buffer);
  }

  async #layer(layer: number): Promise<LayerWeights> {
    const { config } = this.#weights;
    // With a norm behind it a block's output is added to the residual stream there.
    const blockOutput = config.hasPostNorms ? "set" : "add";
    const attentionNorm = await this.#vector(["attentionNorm"], layer);
    const qkv = await this.#linear(
      await this.#stacked(["q", "k", "v"], layer),
      "set",
      config.hasQkvBias ? await this.#qkvBias(layer) : undefined,
    );
    const attentionOutput = await this.#linear(
      await this.#stacked(["attentionOutput"], layer),
      blockOutput,
      config.hasOutputBias ? await this.#bias(["attentionOutputBias"], layer) : undefined,
    );
    const [gate, up] = [this.#source("gate", layer), this.#source("up", layer)];
    const gateUp = await uploadInterleaved(this.#gpu, gate, up, this.#options.signal);
    this.#matrices.push(gateUp);
    return {
      attentionNorm,
      qkv,
      keyBias: this.#options.isKeyBiasApart ? await this.#bias(["kBias"], layer) : undefined,
      qkNorms: config.hasQkNorm ? await this.#vector(["qNorm", "kNorm"], layer) : attentionNorm,
      attentionOutput,
      attentionPostNorm: await this.#postNorm("attentionPostNorm", layer),
      mlpNorm: await this.#vector(["mlpNorm"], layer),
      gateUp: await this.#linear(gateUp, config.activation),
      down: await this.#linear(await this.#stacked(["down"], layer), blockOutput),
      mlpPostNorm: await this.#postNorm("mlpPostNorm", layer),
    };
  }

  async #qkvBias(layer: number): Promise<Float32Array> {
    const bias = await this.#bias(["qBias", "kBias", "vBias"], layer);
    const { numHeads, numKvHeads, headDim } = this.#weights.config;
    const keys = numHeads * headDim;
    return this.#options.isKeyBiasApart ? bias.fill(0, keys, keys + numKvHeads * headDim) : bias;
  }

  async #stacked(roles: readonly WeightRole[], layer?: number): Promise<GpuMatrix> {
    const sources = roles.map((role) => this.#source(role, layer));
    const matrix = await uploadStacked(this.#gpu, sources, this.#options.signal);
    this.#matrices.push(matrix);
    return matrix;
  }

  async #linear(matrix: GpuMatrix, output: LinearOutput, bias?: Float32Array): Promise<Linear> {
    const linear = await createLinear(this.#gpu, matrix, { output, ...(bias && { bias }) });
    this.#linears.push(linear);
    return linear;
  }

  async #postNorm(role: WeightRole, layer: number): Promise<GPUBuffer | undefined> {
    return this.#weights.config.hasPostNorms ? this.#vector([role], layer) : undefined;
  }

  /** Vectors one behind the other in a buffer of f32. */
  async #vector(roles: readonly WeightRole[], layer?: number): Promise<GPUBuffer> {
    const buffer = this.#gpu.buffers.upload("weights", await this.#bias(roles, layer));
    this.#buffers.push(buffer);
    return buffer;
  }

  async #bias(roles: readonly WeightRole[], layer?: number): Promise<Float32Array> {
    const parts: Float32Array[] = [];
    for (const role of roles) parts.push(await this.#weights.readVector(role, layer));
    const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      joined.set(part, offset);
      offset += part.length;
    }
    return joined;
  }

  #source(role: WeightRole, layer?: number): MatrixSource {
    const weight = this.#weights.get(role, layer);
    if (weight === undefined) throw new Error(`the model has no ${role} in layer ${layer}`);
    return {
      tensor: weight.tensor,
      format: weight.format,
      rows: weight.rows,
      cols: weight.cols,
      slices: (maxBytes, signal) => this.#counted(weight, maxBytes, signal),
    };
  }

  async *#counted(weight: Weight, maxBytes?: number, signal?: AbortSignal) {
    for await (const slice of weight.slices(maxBytes, signal)) {
      yield slice;
      this.#done += slice.bytes.length;
      this.#options.onProgress?.(this.#done, this.#weights.bytes);
    }
  }
}
