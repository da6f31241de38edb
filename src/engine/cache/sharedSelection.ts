// Evictions in which heads compete for slots: their scores are ranked together, so heads come to hold different numbers of
// slots. The host reads those numbers, and each layer moves to buffers in which its heads lie accordingly.

import { BufferUsage } from "../gpu/bufferUsage.ts";
import { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Binding, Kernel } from "../gpu/kernel.ts";
import type { AttentionShape } from "../model/operations/attention.ts";
import type { CachePlan } from "./cachePlan.ts";
import type { LayerCache } from "./cacheShape.ts";
import { type SharedSources, sharedSources } from "./evictionKernels.ts";
import type { KvCache } from "./kvCache.ts";
import { isRanked, type LayerBudget } from "./layerBudgets.ts";
import { present } from "./present.ts";

export type SharedKernels = Readonly<Record<keyof SharedSources, Kernel>>;

/** Layers whose heads compete: one by itself, or all. */
export type Group = readonly number[];

/** Where a layer's part of a buffer for all layers begins: WebGPU's largest alignment. */
const ALIGNMENT = 256;
const GATHER_WORKGROUPS = 256;

export class SharedSelection {
  readonly groups: readonly Group[];
  readonly #gpu: Gpu;
  readonly #plan: CachePlan;
  readonly #kernels: SharedKernels;
  readonly #numKvHeads: number;
  readonly #threshold: GPUBuffer;
  /** Of each group, uniform: items, and how many are wanted. */
  readonly #choices: readonly GPUBuffer[];
  /** Slots kept of each layer's heads, each layer's part aligned. */
  readonly #counts: GPUBuffer;
  /** Of each layer its rows: scores, and then the slots kept. */
  #scores: GPUBuffer | undefined;
  #kept: GPUBuffer | undefined;
  #offsets: readonly number[] = [];

  constructor(
    gpu: Gpu,
    plan: CachePlan,
    { kernels, numKvHeads }: { kernels: SharedKernels; numKvHeads: number },
  ) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.#kernels = kernels;
    this.#numKvHeads = numKvHeads;
    const ranked = plan.layers.flatMap((layer, index) => (isRanked(layer) ? [index] : []));
    this.groups = plan.allocation.among === "model" ? [ranked] : ranked.map((layer) => [layer]);
    const usage = BufferUsage.UNIFORM | BufferUsage.COPY_DST;
    this.#threshold = gpu.buffers.allocate({ purpose: "activations", bytes: 8 });
    this.#choices = this.groups.map(() =>
      gpu.buffers.allocate({ purpose: "parameters", bytes: 16, usage }),
    );
    const bytes = plan.layers.length * this.#countsStride;
    this.#counts = gpu.buffers.allocate({ purpose: "activations", bytes });
  }

  /** Whether the layers of a group hold more than their budgets. */
  isDue(cache: KvCache, group: Group): boolean {
    return sum(group, (layer) => cache.slots[layer]?.total ?? 0) > this.#budgetOf(group);
  }

  /** Make room for the scores of every layer of the cache. */
  reserve({ slots }: KvCache): void {
    this.#release();
    let total = 0;
    this.#offsets = slots.map(({ rows }) => {
      const offset = total;
      total += aligned(4 * rows);
      return offset;
    });
    const allocate = (): GPUBuffer =>
      this.#gpu.buffers.allocate({ purpose: "activations", bytes: total });
    this.#scores = allocate();
    this.#kept = allocate();
  }

  /** Where a layer's scores are written. */
  scores(cache: KvCache, layer: number): Binding {
    return this.#rowsOf(this.#scores, cache, layer);
  }

  /** What a layer's eviction uniform says for competing heads: rows, first item, safe slots. */
  parameters(cache: KvCache, layer: number): [rows: number, firstItem: number, safe: number] {
    const first = this.groups.find((group) => group.includes(layer))?.[0] ?? layer;
    const { budget, sinks, recent } = this.#layer(layer);
    const safe = Math.floor(budget * this.#plan.allocation.safeguard) - sinks - recent;
    const firstItem = ((this.#offsets[layer] ?? 0) - (this.#offsets[first] ?? 0)) / 4;
    return [cache.slots[layer]?.rows ?? 0, firstItem, Math.max(0, safe)];
  }

  /** Choose the slots of a group's heads, behind the kernels that score them; `parameters` are the layers' uniforms. */
  encodeSelect(
    commands: CommandList,
    cache: KvCache,
    { group, parameters }: { group: Group; parameters: readonly GPUBuffer[] },
  ): void {
    const { candidates, threshold, above } = this.#kernels;
    const choice = this.#choices[this.groups.indexOf(group)];
    if (choice === undefined) throw new Error("these layers are no group");
    const uniforms = (layer: number): Binding[] => [
      present(parameters[layer]),
      present(cache.layers[layer]?.heads),
    ];
    for (const layer of group)
      commands.dispatch(
        candidates,
        [this.scores(cache, layer), ...uniforms(layer)],
        [this.#numKvHeads],
      );
    const [first = 0, last = first] = [group[0], group.at(-1)];
    const offset = this.#offsets[first] ?? 0;
    const size = (this.#offsets[last] ?? 0) - offset + 4 * (cache.slots[last]?.rows ?? 0);
    const wanted = this.#budgetOf(group) - sum(group, (layer) => this.#protected(layer));
    this.#gpu.buffers.write(choice, 0, Uint32Array.of(size / 4, wanted));
    const items = { buffer: present(this.#scores), offset, size };
    commands.dispatch(threshold, [items, this.#threshold, choice], [1]);
    for (const layer of group)
      commands.dispatch(
        above,
        [
          this.scores(cache, layer),
          ...this.#lists(cache, layer),
          this.#threshold,
          ...uniforms(layer),
        ],
        [this.#numKvHeads],
      );
  }

  /** Slots that heads keep, once what was submitted has run: [layers][KV heads]. */
  async keptSlots(): Promise<readonly (readonly number[])[]> {
    const counts = new Uint32Array(await this.#gpu.read(this.#counts));
    return this.#plan.layers.map((_, layer) => {
      const first = (layer * this.#countsStride) / 4;
      return [...counts.subarray(first, first + this.#numKvHeads)];
    });
  }

  /** Move a group's layers to where their heads hold the slots they keep; together they take the room they had. */
  relay(
    cache: KvCache,
    { group, parameters }: { group: Group; parameters: readonly GPUBuffer[] },
    kept: readonly (readonly number[])[],
  ): void {
    const held = (layer: number): number => sum(kept[layer] ?? [], (slots) => slots);
    const room = sum(
      group,
      (layer) => (cache.slots[layer]?.capacity ?? 0) - Math.ceil(held(layer) / this.#numKvHeads),
    );
    const free = Math.floor(room / group.length);
    for (const layer of group) {
      const lists = this.#lists(cache, layer);
      cache.relay(layer, { lengths: kept[layer] ?? [], free }, (from, to) => {
        const commands = new CommandList();
        this.#encodeGather(commands, { from, to, lists, parameters: present(parameters[layer]) });
        this.#gpu.submit([commands]);
      });
    }
  }

  dispose(): void {
    this.#release();
    for (const buffer of [this.#threshold, this.#counts, ...this.#choices])
      this.#gpu.buffers.release(buffer);
  }

  #encodeGather(commands: CommandList, { from, to, lists, parameters }: Gather): void {
    const { gatherPositions, gatherKeys, gatherValues, gatherSums } = this.#kernels;
    const grid = [GATHER_WORKGROUPS, this.#numKvHeads] as const;
    const places = [from.heads, to.heads];
    const gather = (kernel: Kernel, source: GPUBuffer, target: GPUBuffer | undefined): void =>
      commands.dispatch(kernel, [...lists, source, present(target), ...places], grid);
    const positions = [present(from.positions), present(to.positions)];
    commands.dispatch(gatherPositions, [...lists, ...positions, ...places, parameters], grid);
    // Where keys move to other positions, those before RoPE are gathered, and turned anew.
    gather(gatherKeys, from.unrotatedKeys ?? from.keys, to.unrotatedKeys ?? to.keys);
    gather(gatherValues, from.values, to.values);
    if (this.#plan.policy.records?.accumulates)
      gather(gatherSums, present(from.attentionSums), to.attentionSums);
    if (from.places && !from.unrotatedKeys) gather(gatherSums, from.places, to.places);
  }

  /** Slots kept of a layer, and their number in each head. */
  #lists(cache: KvCache, layer: number): Binding[] {
    const [offset, size] = [layer * this.#countsStride, 4 * this.#numKvHeads];
    return [this.#rowsOf(this.#kept, cache, layer), { buffer: this.#counts, offset, size }];
  }

  #rowsOf(buffer: GPUBuffer | undefined, cache: KvCache, layer: number): Binding {
    const size = 4 * (cache.slots[layer]?.rows ?? 0);
    return { buffer: present(buffer), offset: this.#offsets[layer] ?? 0, size };
  }

  get #countsStride(): number {
    return aligned(4 * this.#numKvHeads);
  }

  #layer(layer: number): LayerBudget {
    return this.#plan.layers[layer] ?? this.#plan;
  }

  #budgetOf(group: Group): number {
    return this.#numKvHeads * sum(group, (layer) => this.#layer(layer).budget);
  }

  /** Slots of a layer's heads that stay whatever their scores. */
  #protected(layer: number): number {
    const { sinks, recent } = this.#layer(layer);
    return this.#numKvHeads * (sinks + recent);
  }

  #release(): void {
    for (const buffer of [this.#scores, this.#kept])
      if (buffer !== undefined) this.#gpu.buffers.release(buffer);
  }
}

export async function createSharedSelection(
  gpu: Gpu,
  plan: CachePlan,
  shape: AttentionShape,
): Promise<SharedSelection> {
  const sources = sharedSources(shape);
  const get = (name: keyof SharedSources): Promise<Kernel> => gpu.kernels.get(sources[name]);
  const kernels = {
    candidates: await get("candidates"),
    threshold: await get("threshold"),
    above: await get("above"),
    gatherPositions: await get("gatherPositions"),
    gatherKeys: await get("gatherKeys"),
    gatherValues: await get("gatherValues"),
    gatherSums: await get("gatherSums"),
  };
  return new SharedSelection(gpu, plan, { kernels, numKvHeads: shape.numKvHeads });
}

interface Gather {
  readonly from: LayerCache;
  readonly to: LayerCache;
  readonly lists: readonly Binding[];
  readonly parameters: GPUBuffer;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
