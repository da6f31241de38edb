// Keeps a bounded cache within its budget, on the GPU: records the attention a policy looks at while chunks are read, and
// between chunks scores, selects and gathers. Kept sets differ from head to head.

import { BufferUsage } from "../gpu/bufferUsage.ts";
import { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Binding, Kernel } from "../gpu/kernel.ts";
import type { AttentionShape } from "../model/operations/attention.ts";
import { keyBiasBindings } from "../model/operations/keyBias.ts";
import type { CachePlan } from "./cachePlan.ts";
import type { LayerCache } from "./cacheShape.ts";
import type { EvictionParts } from "./createEviction.ts";
import { GATHER_COLUMNS } from "./evictionKernels.ts";
import { GeneratedQueries, keptForm } from "./generatedQueries.ts";
import type { KvCache } from "./kvCache.ts";
import { isRanked, type LayerBudget } from "./layerBudgets.ts";
import { present } from "./present.ts";
import { type QuerySample, QuerySamples } from "./querySamples.ts";
import type { QueryStatistics } from "./queryStatistics.ts";
import type { EvictedLayer } from "./recall/spill.ts";
import { recordedSlots } from "./recordKernels.ts";
import type { SharedSelection } from "./sharedSelection.ts";
import type { SlotScores } from "./slotScores.ts";
import { rowBytes } from "./types.ts";

/** Who keeps what an eviction drops. */
export interface Spiller {
  /** Prepare for an eviction of the layers that are `due`. */
  beginSpill(cache: KvCache, due: readonly boolean[]): Promise<void>;
  /** Read what a layer drops, once the slots that stay are known and before rows move. */
  encodeSpill(commands: CommandList, evicted: EvictedLayer): void;
  endSpill(): void;
}

export interface EvictionKernels {
  readonly sums: Kernel;
  readonly select: Kernel;
  readonly gatherPositions: Kernel;
  readonly gatherKeys: Kernel;
  readonly gatherValues: Kernel;
  readonly gatherSums: Kernel;
}

export class Eviction {
  readonly plan: CachePlan;
  /** Which queries the policy looks at. */
  readonly samples: QuerySamples;
  readonly #gpu: Gpu;
  readonly #shape: AttentionShape;
  readonly #kernels: EvictionKernels;
  /** Where the policy goes by them. */
  readonly #statistics: QueryStatistics | undefined;
  /** Where heads compete. */
  readonly #shared: SharedSelection | undefined;
  readonly #scoring: SlotScores;
  /** The sample written last, uniform. */
  readonly sampleBuffer: GPUBuffer;
  /** Of each layer. */
  readonly #parameters: readonly GPUBuffer[];
  /** Log-sum-exps of a pass's queries [chunkLength, numHeads], which attention emits where the policy looks at it. */
  readonly lse: GPUBuffer | undefined;
  /** Where generated tokens count as queries. */
  readonly generated: GeneratedQueries | undefined;
  /** Scratch of one layer at a time. */
  readonly #kept: GPUBuffer;
  #scores: GPUBuffer;

  constructor(
    gpu: Gpu,
    plan: CachePlan,
    parts: EvictionParts & {
      kernels: EvictionKernels;
      scoring: SlotScores;
      shared: SharedSelection | undefined;
      statistics: QueryStatistics | undefined;
    },
  ) {
    this.#gpu = gpu;
    this.plan = plan;
    this.samples = new QuerySamples(plan);
    this.#shape = parts.shape;
    this.#kernels = parts.kernels;
    this.#shared = parts.shared;
    this.#scoring = parts.scoring;
    this.#statistics = parts.statistics;
    const { numHeads, numKvHeads } = parts.shape;
    const usage = BufferUsage.UNIFORM | BufferUsage.COPY_DST;
    const scratch = (words: number): GPUBuffer =>
      gpu.buffers.allocate({ purpose: "activations", bytes: 4 * words });
    this.sampleBuffer = gpu.buffers.allocate({ purpose: "parameters", bytes: 32, usage });
    this.#parameters = plan.layers.map(() =>
      gpu.buffers.allocate({ purpose: "parameters", bytes: 48, usage }),
    );
    this.generated = keptForm(plan) && new GeneratedQueries(gpu, parts.shape, plan.layers.length);
    this.lse = plan.policy.records && scratch(parts.chunkLength * numHeads);
    this.#kept = scratch(numKvHeads * Math.max(...plan.layers.map(({ budget }) => budget)));
    this.#scores = scratch(1);
  }

  /** Make room for the scores of a layer of the cache, or of all. */
  reserve(cache: KvCache): void {
    this.#shared?.reserve(cache);
    this.#statistics?.reserve(cache);
    this.#gpu.buffers.release(this.#scores);
    const bytes = 4 * Math.max(...cache.slots.map(({ rows }) => rows));
    this.#scores = this.#gpu.buffers.allocate({ purpose: "activations", bytes });
  }

  /**
   * What knows of generated tokens' queries beside the cache's rows: the ring, where the newest are looked at, or the statistics;
   * by name. Empty where all is in the rows.
   */
  get generatedState(): ReadonlyMap<string, GPUBuffer> {
    const state = new Map<string, GPUBuffer>();
    for (const [layer, { queries, lse }] of this.generated?.layers.entries() ?? []) {
      if (this.#statistics)
        state.set(`${layer}/moments`, this.#statistics.buffer("moments", layer));
      else if (this.samples.window !== undefined)
        state.set(`${layer}/queries`, queries).set(`${layer}/lse`, lse);
    }
    return state;
  }

  writeSample(sample: QuerySample): void {
    const { first, stride, count, joinedSlots, firstSlot, endSlot, sinks, repeatSlot } = sample;
    const queries = [first, stride, count, joinedSlots];
    const words = Uint32Array.of(...queries, firstSlot, endSlot, sinks, repeatSlot);
    this.#gpu.buffers.write(this.sampleBuffer, 0, words);
  }

  /** Look at the sampled queries of a pass of `tokens` in front of RoPE, where the policy goes by their statistics. */
  encodeQueries(
    commands: CommandList,
    buffers: { qkv: GPUBuffer; norms: GPUBuffer; step: GPUBuffer },
    of: { readonly layer: number; readonly tokens: number },
  ): void {
    this.#statistics?.encode(commands, { ...buffers, sample: this.sampleBuffer }, of);
  }

  /**
   * Record the attention of the sampled queries, behind the attention that emitted `lse`; at most `slots` slots of a head
   * are recorded.
   */
  encodeRecord(
    commands: CommandList,
    buffers: { qkv: GPUBuffer; cache: LayerCache; step: GPUBuffer; lse?: GPUBuffer | undefined },
    slots: number,
  ): void {
    if (this.#statistics !== undefined) return;
    const { qkv, cache, step, lse = this.lse } = buffers;
    const sums = present(cache.attentionSums);
    commands.dispatch(
      this.#kernels.sums,
      [
        ...[qkv, cache.keys, present(lse), sums, step, this.sampleBuffer, cache.heads],
        ...keyBiasBindings(this.#shape.keyBias, cache),
      ],
      [Math.ceil(slots / recordedSlots(this.#gpu.capabilities)), this.#shape.numKvHeads],
    );
  }

  /** Whether a layer's queries are to be recorded: its scores decide something. */
  ranks(layer: number): boolean {
    return isRanked(this.#budget(layer));
  }

  /** Whether an eviction now would choose among slots by their scores. */
  willRank(cache: KvCache): boolean {
    const shared = this.#shared;
    const competing = new Set(shared?.groups.flat());
    const isAbove = cache.slots.map(
      ({ longest }, layer) => !competing.has(layer) && longest > this.#budget(layer).budget,
    );
    const isContested = shared?.groups.some((group) => shared.isDue(cache, group)) ?? false;
    return isContested || isAbove.some((above, layer) => above && this.ranks(layer));
  }

  /**
   * Bring the layers that hold more than their budgets down to them. Returns which rows were moved, by layer, and whether
   * layers have other buffers now. What layers with a sliding window drop is not spilled: nothing would look at it.
   */
  async evict(
    cache: KvCache,
    spiller?: Spiller,
  ): Promise<{ moved: readonly boolean[]; relaid: boolean }> {
    const shared = this.#shared;
    const groups = shared?.groups.filter((group) => shared.isDue(cache, group)) ?? [];
    const competing = new Set(shared?.groups.flat());
    const lengths = cache.slots.map(
      ({ longest, lengths }, layer): readonly number[] | undefined => {
        const { budget } = this.#budget(layer);
        if (competing.has(layer) || longest <= budget) return undefined;
        return lengths.map(() => budget);
      },
    );
    const isDue = groups.length > 0 || lengths.some((left) => left !== undefined);
    if (!isDue) return { moved: [], relaid: false };
    const spills = lengths.map((left, layer) => left !== undefined && !this.#budget(layer).isLocal);
    await spiller?.beginSpill(cache, spills);
    cache.willEvict();
    this.#write(cache);
    for (const [layer, left] of lengths.entries())
      if (left !== undefined) this.#evictHeads(cache, layer, spills[layer] ? spiller : undefined);
    spiller?.endSpill();
    if (shared !== undefined && groups.length > 0) {
      const kept = await this.#evictGroups(cache, shared, groups);
      for (const layer of groups.flat()) lengths[layer] = kept[layer];
    }
    cache.evicted(lengths);
    return { moved: lengths.map((left) => left !== undefined), relaid: groups.length > 0 };
  }

  /** Queue what the eviction goes by. */
  #write(cache: KvCache): void {
    const { length, tokensRead } = cache;
    for (const [layer, buffer] of this.#parameters.entries()) {
      const { budget, sinks, recent } = this.#budget(layer);
      const listedTokens = cache.slots[layer]?.listedTokens ?? 0;
      const words = [length, budget, sinks, recent, tokensRead, listedTokens];
      const competing = this.#shared?.parameters(cache, layer) ?? [];
      this.#gpu.buffers.write(buffer, 0, Uint32Array.from([...words, ...competing]));
    }
    this.samples.recordedSlots = cache.evictedLength;
  }

  /** Let the heads of each group compete; returns the slots that heads keep: [layers][KV heads]. */
  async #evictGroups(
    cache: KvCache,
    shared: SharedSelection,
    groups: SharedSelection["groups"],
  ): Promise<readonly (readonly number[])[]> {
    const parameters = this.#parameters;
    for (const group of groups) {
      const commands = new CommandList();
      for (const layer of group)
        this.#encodeScores(commands, cache, { layer, scores: shared.scores(cache, layer) });
      shared.encodeSelect(commands, cache, { group, parameters });
      this.#gpu.submit([commands]);
    }
    const kept = await shared.keptSlots();
    for (const group of groups) shared.relay(cache, { group, parameters }, kept);
    return kept;
  }

  /** Bring each head of a layer down to the layer's budget, in place. */
  #evictHeads(cache: KvCache, index: number, spiller: Spiller | undefined): void {
    const { numKvHeads } = this.#shape;
    const { select, gatherPositions, gatherKeys, gatherValues, gatherSums } = this.#kernels;
    const commands = new CommandList();
    const layer = present(cache.layers[index]);
    const parameters = present(this.#parameters[index]);
    const uniforms = [parameters, layer.heads];
    if (this.ranks(index))
      this.#encodeScores(commands, cache, { layer: index, scores: this.#scores });
    commands.dispatch(select, [this.#scores, this.#kept, ...uniforms], [numKvHeads]);
    spiller?.encodeSpill(commands, { layer: index, cache: layer, kept: this.#kept, parameters });
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
    // Where keys are turned anew, so are the places they are turned by.
    if (layer.places && !layer.unrotatedKeys) gather(gatherSums, layer.places, 1);
    this.#gpu.submit([commands]);
  }

  #encodeScores(
    commands: CommandList,
    cache: KvCache,
    { layer, scores }: { layer: number; scores: Binding },
  ): void {
    const parameters = present(this.#parameters[layer]);
    this.#scoring.encode(commands, cache, { layer, scores, parameters });
  }

  dispose(): void {
    const own = [this.sampleBuffer, this.#kept, this.#scores, ...this.#parameters];
    for (const buffer of own) this.#gpu.buffers.release(buffer);
    if (this.lse !== undefined) this.#gpu.buffers.release(this.lse);
    this.#scoring.dispose();
    this.#shared?.dispose();
    this.#statistics?.dispose();
    this.generated?.dispose();
  }

  #budget(layer: number): LayerBudget {
    return this.plan.layers[layer] ?? this.plan;
  }
}
