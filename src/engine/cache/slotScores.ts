// What a policy's kernels say of each slot of a layer: the scores by which an eviction chooses.

import type { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Binding, Kernel } from "../gpu/kernel.ts";
import type { AttentionShape } from "../model/operations/attention.ts";
import { keyBiasBindings } from "../model/operations/keyBias.ts";
import type { CachePlan } from "./cachePlan.ts";
import type { LayerCache } from "./cacheShape.ts";
import type { KvCache } from "./kvCache.ts";
import type { QueryRope, ScoreBuffer, ScoreKernel } from "./policies/policy.ts";
import { present } from "./present.ts";
import type { QueryStatistics } from "./queryStatistics.ts";

interface SlotScoresParts {
  readonly shape: AttentionShape;
  /** Where the policy goes by statistics of queries. */
  readonly statistics: QueryStatistics | undefined;
}

interface CompiledScore {
  readonly kernel: Kernel;
  readonly of: ScoreKernel;
}

export class SlotScores {
  readonly #gpu: Gpu;
  readonly #kernels: readonly CompiledScore[];
  readonly #parts: SlotScoresParts;
  /** A vector of each KV head that its keys are compared with; scratch of one layer at a time. */
  readonly #anchor: GPUBuffer;

  constructor(gpu: Gpu, kernels: readonly CompiledScore[], parts: SlotScoresParts) {
    this.#gpu = gpu;
    this.#kernels = kernels;
    this.#parts = parts;
    const bytes = 4 * parts.shape.numKvHeads * parts.shape.headDim;
    this.#anchor = gpu.buffers.allocate({ purpose: "activations", bytes });
  }

  /** Score the slots of a layer into `scores` [rows of the layer's KV heads, one behind the other], by what `parameters` say. */
  encode(
    commands: CommandList,
    cache: KvCache,
    { layer, scores, parameters }: { layer: number; scores: Binding; parameters: GPUBuffer },
  ): void {
    const buffers = present(cache.layers[layer]);
    const uniforms = [parameters, buffers.heads];
    const longest = cache.slots[layer]?.longest ?? 0;
    const { keyBias } = this.#parts.shape;
    for (const { kernel, of } of this.#kernels) {
      const bound = of.buffers.map((name) => this.#buffer(name, { layer, buffers, scores }));
      const bias = of.buffers.includes("keys") ? keyBiasBindings(keyBias, buffers) : [];
      commands.dispatch(kernel, [...bound, ...uniforms, ...bias], of.grid(longest));
    }
  }

  dispose(): void {
    this.#gpu.buffers.release(this.#anchor);
  }

  #buffer(
    name: ScoreBuffer,
    { layer, buffers, scores }: { layer: number; buffers: LayerCache; scores: Binding },
  ): Binding {
    switch (name) {
      case "scores":
        return scores;
      case "anchor":
        return this.#anchor;
      case "keys":
      case "values":
      case "attentionSums":
      case "positions":
        return present(buffers[name]);
      default:
        return present(this.#parts.statistics).buffer(name, layer);
    }
  }
}

/** Compiles what the plan's policy scores slots by, for a model whose layers that are scored have this RoPE. */
export async function createSlotScores(
  gpu: Gpu,
  { policy }: CachePlan,
  { rope, ...parts }: SlotScoresParts & { readonly rope: QueryRope | undefined },
): Promise<SlotScores> {
  const kernels = policy.scoreKernels?.({ ...parts.shape, ...(rope && { rope }) }) ?? [];
  const compiled = kernels.map(async (of) => ({ of, kernel: await gpu.kernels.get(of.source) }));
  return new SlotScores(gpu, await Promise.all(compiled), parts);
}
