// Mean and covariance of the queries in front of RoPE, gathered on the GPU while a text is read, and the attention to expect
// from such queries at the next positions (arXiv:2510.00636).

import type { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Kernel } from "../gpu/kernel.ts";
import { float, type KernelSource } from "../gpu/linkKernel.ts";
import { KEPT_QUERIES } from "../model/operations/keptQueries.ts";
import { keyBiasLink } from "../model/operations/keyBias.ts";
import { type HeadShape, packFrequencies, qkvSize } from "../model/operations/rope.ts";
import type { KvCache } from "./kvCache.ts";
import type { QueryRope, ScoreKernel, ScoreShape, StatisticsBuffer } from "./policies/policy.ts";
import { cacheTypes } from "./types.ts";

/** The first tokens' queries are not like the others. */
export const SKIPPED_QUERIES = 4;
const FUTURE_POSITIONS = 512;
const WORKGROUP_SIZE = 64;

/** Kernels that score slots by the attention to expect. */
export function expectedAttentionScores(shape: ScoreShape): readonly ScoreKernel[] {
  const { numHeads, numKvHeads, headDim, scale, rope } = shape;
  if (rope === undefined) throw new Error("expected attention needs to know how queries turn");
  const heads = { WORKGROUP_SIZE, NUM_HEADS: numHeads, NUM_KV_HEADS: numKvHeads };
  const bias = keyBiasLink(shape.keyBias, 5);
  const perSlot = (slots: number) => [Math.ceil(slots / WORKGROUP_SIZE), numKvHeads] as const;
  const perHead = () => [numHeads] as const;
  return [
    {
      source: {
        file: "expected_queries.wgsl",
        constants: {
          ...heads,
          HEAD_DIM: headDim,
          ROPE_DIM: rope.ropeDim,
          IS_INTERLEAVED: rope.pairing === "interleaved",
          ATTENTION_FACTOR: float(rope.attentionFactor),
          MOVES_KEYS: rope.movesKeys,
          FUTURE_POSITIONS,
        },
      },
      buffers: ["frequencies", "moments", "expected"],
      grid: perHead,
    },
    {
      source: {
        file: "expected_scores.wgsl",
        parts: { key_cache: cacheTypes[shape.keyType].part, ...bias.parts },
        constants: { ...heads, HEAD_DIM: headDim, SCALE: float(scale), ...bias.constants },
      },
      buffers: ["keys", "expected", "logits"],
      grid: perSlot,
    },
    {
      source: { file: "expected_lse.wgsl", constants: heads },
      buffers: ["logits", "rowLse"],
      grid: perHead,
    },
    {
      source: {
        file: "score_expected.wgsl",
        parts: { value_cache: cacheTypes[shape.valueType].part },
        constants: { ...heads, HEAD_DIM: headDim },
      },
      buffers: ["logits", "rowLse", "values", "scores"],
      grid: perSlot,
    },
  ];
}

/** The kernels that gather statistics: QK-norm's factors, where the model has it, and sums. */
export function statisticsSources(
  shape: HeadShape,
  { hasQkNorm, epsilon }: Pick<QueryRope, "hasQkNorm" | "epsilon">,
): { scales: KernelSource; moments: KernelSource } {
  const heads = {
    WORKGROUP_SIZE,
    NUM_HEADS: shape.numHeads,
    HEAD_DIM: shape.headDim,
    QKV_SIZE: qkvSize(shape),
  };
  return {
    scales: { file: "query_scales.wgsl", constants: { ...heads, EPSILON: float(epsilon) } },
    moments: { file: "query_moments.wgsl", constants: { ...heads, HAS_QK_NORM: hasQkNorm } },
  };
}

export interface StatisticsParts {
  readonly shape: HeadShape;
  readonly rope: QueryRope;
  /** RoPE's, of the layers that are scored. */
  readonly invFreq: Float64Array;
  readonly numLayers: number;
  readonly chunkLength: number;
}

export class QueryStatistics {
  readonly #gpu: Gpu;
  readonly #parts: StatisticsParts;
  readonly #kernels: { readonly scales: Kernel; readonly moments: Kernel };
  readonly #scales: GPUBuffer;
  readonly #frequencies: GPUBuffer;
  /** Of each layer. */
  readonly #moments: readonly GPUBuffer[];
  readonly #expected: GPUBuffer;
  readonly #rowLse: GPUBuffer;
  #logits: GPUBuffer;

  constructor(
    gpu: Gpu,
    parts: StatisticsParts,
    kernels: { readonly scales: Kernel; readonly moments: Kernel },
  ) {
    this.#gpu = gpu;
    this.#parts = parts;
    this.#kernels = kernels;
    const { shape, rope, invFreq, numLayers, chunkLength } = parts;
    const { numHeads, headDim } = shape;
    const floats = (count: number): GPUBuffer =>
      gpu.buffers.allocate({ purpose: "activations", bytes: 4 * count });
    const rows = Math.max(chunkLength, KEPT_QUERIES);
    this.#scales = floats(rope.hasQkNorm ? rows * numHeads : 1);
    this.#frequencies = gpu.buffers.upload("parameters", packFrequencies(invFreq));
    this.#moments = Array.from({ length: numLayers }, () =>
      floats(numHeads * (headDim + 2) * headDim),
    );
    this.#expected = floats(numHeads * (headDim + 1) * headDim);
    this.#rowLse = floats(numHeads);
    this.#logits = floats(1);
  }

  /** Make room for the logits of a layer of the cache. */
  reserve({ slots }: KvCache): void {
    this.#gpu.buffers.release(this.#logits);
    const { numHeads, numKvHeads } = this.#parts.shape;
    const rows = Math.max(...slots.map((layer) => layer.rows));
    const bytes = (4 * rows * numHeads) / numKvHeads;
    this.#logits = this.#gpu.buffers.allocate({ purpose: "activations", bytes });
  }

  /** Add the sampled queries of a pass of `tokens`, as they are in front of RoPE, to a layer's statistics. */
  encode(
    commands: CommandList,
    buffers: { qkv: GPUBuffer; norms: GPUBuffer; step: GPUBuffer; sample: GPUBuffer },
    { layer, tokens }: { readonly layer: number; readonly tokens: number },
  ): void {
    const { qkv, norms, step, sample } = buffers;
    const { numHeads, headDim } = this.#parts.shape;
    const { scales, moments } = this.#kernels;
    if (this.#parts.rope.hasQkNorm)
      commands.dispatch(
        scales,
        [qkv, this.#scales, step],
        [Math.ceil((tokens * numHeads) / WORKGROUP_SIZE)],
      );
    commands.dispatch(
      moments,
      [qkv, norms, this.#scales, this.buffer("moments", layer), sample],
      [headDim / 4, numHeads],
    );
  }

  buffer(name: StatisticsBuffer, layer: number): GPUBuffer {
    switch (name) {
      case "frequencies":
        return this.#frequencies;
      case "moments": {
        const moments = this.#moments[layer];
        if (moments === undefined) throw new Error(`the statistics have no layer ${layer}`);
        return moments;
      }
      case "expected":
        return this.#expected;
      case "logits":
        return this.#logits;
      case "rowLse":
        return this.#rowLse;
    }
  }

  dispose(): void {
    const own = [this.#scales, this.#frequencies, this.#expected, this.#rowLse, this.#logits];
    for (const buffer of [...own, ...this.#moments]) this.#gpu.buffers.release(buffer);
  }
}

export async function createQueryStatistics(
  gpu: Gpu,
  parts: StatisticsParts,
): Promise<QueryStatistics> {
  const sources = statisticsSources(parts.shape, parts.rope);
  const [scales, moments] = await Promise.all([
    gpu.kernels.get(sources.scales),
    gpu.kernels.get(sources.moments),
  ]);
  return new QueryStatistics(gpu, parts, { scales, moments });
}
