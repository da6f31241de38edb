// Keeps a bounded cache within its budget, on the GPU: records the attention a policy looks at while chunks are read, and
// between chunks scores, selects and gathers. Kept sets differ from head to head.

import { BufferUsage } from "../gpu/bufferUsage.ts";
import type { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Kernel } from "../gpu/kernel.ts";
import type { AttentionShape } from "../model/operations/attention.ts";
import type { CachePlan, LayerBudget } from "./cachePlan.ts";
import { evictionSources, GATHER_COLUMNS, recordedSlots } from "./evictionKernels.ts";
import type { KvCache, LayerCache } from "./kvCache.ts";
import type { ScoreBuffer, ScoreKernel } from "./policies/policy.ts";
import { rowBytes } from "./types.ts";

/** Which queries of a pass are recorded. */
export interface QuerySample {
  readonly first: number;
  readonly stride: number;
  readonly count: number;
  /** Slots whose sums go on; those behind begin at 0. */
  readonly summedSlots: number;
}

/** Called once the slots that stay are known and before rows move: [KV heads, budget], and the eviction's uniform. */
export type OnSelected = (kept: GPUBuffer, parameters: GPUBuffer) => void;

interface EvictionKernels {
  readonly sums: Kernel;
  readonly select: Kernel;
  readonly gatherPositions: Kernel;
  readonly gatherKeys: Kernel;
  readonly gatherValues: Kernel;
  readonly gatherSums: Kernel;
  readonly scores: readonly { readonly kernel: Kernel; readonly of: ScoreKernel }[];
}

export class Eviction {
  readonly plan: CachePlan;
  readonly #gpu: Gpu;
  readonly #shape: AttentionShape;
  readonly #kernels: EvictionKernels;
  readonly #sample: GPUBuffer;
  /** Of each layer. */
  readonly #parameters: readonly GPUBuffer[];
  /** Log-sum-exps of a pass's queries [chunkLength, numHeads], which attention emits where the policy looks at it. */
  readonly lse: GPUBuffer | undefined;
  /** Scratch of one layer at a time. */
  readonly #anchor: GPUBuffer;
  readonly #kept: GPUBuffer;
  #scores: GPUBuffer;
  #summedSlots = 0;

  constructor(
    gpu: Gpu,
    plan: CachePlan,
    parts: { shape: AttentionShape; kernels: EvictionKernels; chunkLength: number },
  ) {
    this.#gpu = gpu;
    this.plan = plan;
    this.#shape = parts.shape;
    this.#kernels = parts.kernels;
    const { numHeads, numKvHeads, headDim } = parts.shape;
    const usage = BufferUsage.UNIFORM | BufferUsage.COPY_DST;
    const scratch = (words: number): GPUBuffer =>
      gpu.buffers.allocate({ purpose: "activations", bytes: 4 * words });
    this.#sample = gpu.buffers.allocate({ purpose: "parameters", bytes: 16, usage });
    this.#parameters = plan.layers.map(() =>
      gpu.buffers.allocate({ purpose: "parameters", bytes: 32, usage }),
    );
    this.lse = plan.policy.records && scratch(parts.chunkLength * numHeads);
    this.#anchor = scratch(numKvHeads * headDim);
    this.#kept = scratch(numKvHeads * Math.max(...plan.layers.map(({ budget }) => budget)));
    this.#scores = scratch(1);
  }

  /** Slots whose recorded sums go on; a snapshot of the cache carries it. */
  get summedSlots(): number {
    return this.#summedSlots;
  }

  set summedSlots(slots: number) {
    this.#summedSlots = slots;
  }

  /** Make room for the scores of a layer of the cache. */
  reserve({ slots }: KvCache): void {
    this.#gpu.buffers.release(this.#scores);
    const bytes = 4 * Math.max(...slots.map(({ rows }) => rows));
    this.#scores = this.#gpu.buffers.allocate({ purpose: "activations", bytes });
  }

  /**
   * The queries to record of a pass of `tokens`: `since` were read since the last eviction, `left` are read before the
   * next, `length` slots are filled. `undefined` where the policy looks at no attention.
   */
  sample(
    tokens: number,
    { since, left, length }: { since: number; left: number; length: number },
  ): QuerySample | undefined {
    const { records } = this.plan.policy;
    if (records === undefined) return undefined;
    const summedSlots =
      since === 0 && !records.accumulates ? 0 : Math.min(this.#summedSlots, length);
    this.#summedSlots = length + tokens;
    if (records.queries === "all") {
      const stride = this.plan.queryStride;
      // The last query of every stride since the eviction, however the tokens are cut into passes.
      const first = stride - 1 - (since % stride);
      return {
        first,
        stride,
        count: Math.max(0, Math.ceil((tokens - first) / stride)),
        summedSlots,
      };
    }
    const first = Math.min(tokens, Math.max(0, tokens + left - records.queries));
    return { first, stride: 1, count: tokens - first, summedSlots };
  }

  writeSample({ first, stride, count, summedSlots }: QuerySample): void {
    this.#gpu.buffers.write(this.#sample, 0, Uint32Array.of(first, stride, count, summedSlots));
  }

  /**
   * Add the attention of the sampled queries to the layer's sums, behind the attention that emitted `lse`; at most `length`
   * slots of a head are filled with the pass.
   */
  encodeRecord(
    commands: CommandList,
    buffers: { qkv: GPUBuffer; cache: LayerCache; step: GPUBuffer },
    length: number,
  ): void {
    const { qkv, cache, step } = buffers;
    const sums = present(cache.attentionSums);
    commands.dispatch(
      this.#kernels.sums,
      [qkv, cache.keys, present(this.lse), sums, step, this.#sample, cache.heads],
      [Math.ceil(length / recordedSlots(this.#gpu.capabilities)), this.#shape.numKvHeads],
    );
  }

  /** Whether a layer holds more than its budget. */
  isDue(cache: KvCache, layer: number): boolean {
    return (cache.slots[layer]?.longest ?? 0) > this.#budget(layer).budget;
  }

  /** Queue what the next eviction goes by. */
  write(cache: KvCache): void {
    const { length, tokensRead } = cache;
    for (const [layer, buffer] of this.#parameters.entries()) {
      const { budget, sinks, recent } = this.#budget(layer);
      const listedTokens = cache.slots[layer]?.listedTokens ?? 0;
      const words = [length, budget, sinks, recent, tokensRead, listedTokens];
      this.#gpu.buffers.write(buffer, 0, Uint32Array.from(words));
    }
    this.#summedSlots = Math.min(length, this.plan.budget);
  }

  /** Bring a layer that is due down to its budget; returns the slots that its heads then hold. */
  encode(
    commands: CommandList,
    cache: KvCache,
    index: number,
    onSelected?: OnSelected,
  ): readonly number[] {
    const { numKvHeads } = this.#shape;
    const { scores, select, gatherPositions, gatherKeys, gatherValues, gatherSums } = this.#kernels;
    const [layer, slots] = [cache.layers[index], cache.slots[index]];
    const parameters = this.#parameters[index];
    if (!layer || !slots || !parameters) throw new Error(`the cache has no layer ${index}`);
    const uniforms = [parameters, layer.heads];
    for (const { kernel, of } of scores) {
      const buffers = of.buffers.map((name) => this.#buffer(name, layer));
      commands.dispatch(kernel, [...buffers, ...uniforms], of.grid(slots.longest));
    }
    commands.dispatch(select, [this.#scores, this.#kept, ...uniforms], [numKvHeads]);
    onSelected?.(this.#kept, parameters);
    commands.dispatch(
      gatherPositions,
      [this.#kept, present(layer.positions), ...uniforms],
      [numKvHeads],
    );
    const gather = (kernel: Kernel, rows: GPUBuffer, rowWords: number): void =>
      commands.dispatch(
        kernel,
        [this.#kept, rows, ...uniforms],
        [Math.ceil(rowWords / GATHER_COLUMNS), numKvHeads],
      );
    const { keyType, valueType, headDim } = this.#shape;
    // Where keys move to other positions, those before RoPE are gathered, and turned anew.
    gather(gatherKeys, layer.unrotatedKeys ?? layer.keys, rowBytes(keyType, headDim) / 4);
    gather(gatherValues, layer.values, rowBytes(valueType, headDim) / 4);
    if (this.plan.policy.records?.accumulates) gather(gatherSums, present(layer.attentionSums), 1);
    return slots.lengths.map(() => this.#budget(index).budget);
  }

  dispose(): void {
    const own = [this.#sample, this.#anchor, this.#kept, this.#scores, ...this.#parameters];
    for (const buffer of own) this.#gpu.buffers.release(buffer);
    if (this.lse !== undefined) this.#gpu.buffers.release(this.lse);
  }

  #budget(layer: number): LayerBudget {
    return this.plan.layers[layer] ?? this.plan;
  }

  #buffer(name: ScoreBuffer, cache: LayerCache): GPUBuffer {
    switch (name) {
      case "scores":
        return this.#scores;
      case "anchor":
        return this.#anchor;
      default:
        return present(cache[name]);
    }
  }
}

export async function createEviction(
  gpu: Gpu,
  plan: CachePlan,
  { shape, chunkLength }: { shape: AttentionShape; chunkLength: number },
): Promise<Eviction> {
  const sources = evictionSources(gpu.capabilities, shape);
  const get = (name: keyof typeof sources): Promise<Kernel> => gpu.kernels.get(sources[name]);
  const scoreKernels = plan.policy.scoreKernels?.(shape) ?? [];
  const scores = scoreKernels.map(async (of) => ({
    of,
    kernel: await gpu.kernels.get(of.source),
  }));
  const kernels = {
    sums: await get("sums"),
    select: await get("select"),
    gatherPositions: await get("gatherPositions"),
    gatherKeys: await get("gatherKeys"),
    gatherValues: await get("gatherValues"),
    gatherSums: await get("gatherSums"),
    scores: await Promise.all(scores),
  };
  return new Eviction(gpu, plan, { shape, kernels, chunkLength });
}

function present(buffer: GPUBuffer | undefined): GPUBuffer {
  if (buffer === undefined) throw new Error("the cache lacks a buffer its policy needs");
  return buffer;
}
