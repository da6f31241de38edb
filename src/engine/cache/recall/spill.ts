// Takes what an eviction drops off the GPU: the rows go into pages that are read back behind the next chunk's work, their
// summaries stay.

import { BufferUsage } from "../../gpu/bufferUsage.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { AttentionShape } from "../../model/operations/attention.ts";
import { keyBiasBindings } from "../../model/operations/keyBias.ts";
import type { LayerCache } from "../cacheShape.ts";
import type { KvCache } from "../kvCache.ts";
import type { PageBounds } from "./pageBounds.ts";
import { PAGE_TOKENS, type PageLayout, pageLayout, pagesOf } from "./pageLayout.ts";
import type { PageStore } from "./pageStore.ts";
import { BOUNDS_WORKGROUP, SPILL_WORKGROUP, spillSources } from "./recallKernels.ts";

export interface SpillParts {
  readonly shape: AttentionShape;
  readonly bounds: PageBounds;
  readonly store: PageStore;
}

interface SpillKernels {
  readonly slots: Kernel;
  readonly keys: Kernel;
  readonly values: Kernel;
  readonly bounds: Kernel;
}

/** What an eviction goes by, see kernels/common/eviction.wgsl. */
export interface EvictedLayer {
  readonly layer: number;
  readonly cache: LayerCache;
  /** The slots that stay [KV heads, budget]. */
  readonly kept: GPUBuffer;
  /** The eviction's uniform. */
  readonly parameters: GPUBuffer;
}

/** What an eviction drops of a layer. */
interface Dropped {
  readonly layer: number;
  /** Slots of each head in front of the eviction, and dropped by it. */
  readonly length: number;
  readonly tokens: number;
}

export class Spill {
  readonly #gpu: Gpu;
  readonly #shape: AttentionShape;
  readonly #layout: PageLayout;
  readonly #kernels: SpillKernels;
  readonly #bounds: PageBounds;
  readonly #store: PageStore;
  /** Of each layer. */
  readonly #parameters: readonly GPUBuffer[];
  /** Scratch of one layer at a time. */
  #slots: GPUBuffer;
  #records: GPUBuffer;
  /** What each layer's records are read back through. */
  #staging: GPUBuffer[] = [];
  #dropped: readonly Dropped[] = [];
  #end = 0;
  #arriving: Promise<void> | undefined;

  constructor(gpu: Gpu, { shape, kernels, bounds, store }: SpillParts & { kernels: SpillKernels }) {
    this.#gpu = gpu;
    this.#shape = shape;
    this.#layout = pageLayout(shape);
    this.#kernels = kernels;
    this.#bounds = bounds;
    this.#store = store;
    const usage = BufferUsage.UNIFORM | BufferUsage.COPY_DST;
    this.#parameters = Array.from({ length: store.numLayers }, () =>
      gpu.buffers.allocate({ purpose: "parameters", bytes: 20, usage }),
    );
    this.#slots = gpu.buffers.allocate({ purpose: "activations", bytes: 4 });
    this.#records = gpu.buffers.allocate({ purpose: "activations", bytes: 4 });
  }

  /**
   * Prepare for an eviction of the layers that are `due`, each of which keeps its budget; waits until the pages of the one
   * before have arrived.
   */
  async begin(cache: KvCache, due: readonly boolean[]): Promise<void> {
    await this.settled();
    this.#store.reopen();
    this.#end = cache.tokensRead;
    this.#dropped = due.flatMap((isDue, layer) => (isDue ? [droppedOf(cache, layer)] : []));
    const largest = Math.max(0, ...this.#dropped.map(({ tokens }) => tokens));
    await this.#reserve(pagesOf(largest) * PAGE_TOKENS);
    const pages = due.map((_, layer) => this.#store.numPages(layer));
    await this.#bounds.reserve(Math.max(...pages) + pagesOf(largest), Math.max(...pages));
    for (const { layer, length, tokens } of this.#dropped) {
      const rows = pagesOf(tokens) * PAGE_TOKENS;
      const words = [length, length - tokens, tokens, rows, pages[layer] ?? 0];
      this.#gpu.buffers.write(this.#uniform(layer), 0, Uint32Array.from(words));
    }
  }

  /** Put the rows of a layer that are not kept into pages. */
  encode(commands: CommandList, { layer, cache, kept, parameters }: EvictedLayer): void {
    const { numKvHeads, headDim } = this.#shape;
    const { keyBytes, valueBytes, pageBytes } = this.#layout;
    const { slots, keys, values, bounds } = this.#kernels;
    const staging = this.#staging[layer];
    const dropped = this.#dropped.find((of) => of.layer === layer);
    const { positions, heads } = cache;
    if (positions === undefined || staging === undefined || dropped === undefined)
      throw new Error(`layer ${layer} cannot be put into pages`);
    // Where keys move to other positions, those before RoPE are kept.
    const stored = cache.unrotatedKeys ?? cache.keys;
    const spilled = this.#slots;
    const records = this.#records;
    const uniforms = [this.#uniform(layer), heads];
    commands.dispatch(
      slots,
      [kept, positions, spilled, records, parameters, ...uniforms],
      [Math.ceil(dropped.length / SPILL_WORKGROUP), numKvHeads],
    );
    const copy = (kernel: Kernel, source: GPUBuffer, rowBytes: number): void =>
      commands.dispatch(
        kernel,
        [spilled, source, records, ...uniforms],
        [Math.ceil((dropped.tokens * rowBytes) / 4 / SPILL_WORKGROUP), numKvHeads],
      );
    copy(keys, stored, keyBytes);
    copy(values, cache.values, valueBytes);
    const numPages = pagesOf(dropped.tokens);
    commands.dispatch(
      bounds,
      [
        ...[spilled, stored, this.#bounds.of(layer), ...uniforms],
        ...keyBiasBindings(this.#shape.keyBias, cache),
      ],
      [Math.ceil(headDim / 4 / BOUNDS_WORKGROUP), numKvHeads, numPages],
    );
    const bytes = numPages * pageBytes;
    commands.copy({
      ...{ source: records, sourceOffset: 0 },
      ...{ target: staging, targetOffset: 0, bytes },
    });
  }

  /** Let the pages come to the host, behind what was submitted. */
  end(): void {
    const [dropped, end] = [this.#dropped, this.#end];
    const reads = dropped.map(async ({ layer, tokens }) => {
      const staging = this.#staging[layer];
      if (staging === undefined) throw new Error(`layer ${layer} was not put into pages`);
      await this.#gpu.mapped(staging);
      const mapped = staging.getMappedRange(0, pagesOf(tokens) * this.#layout.pageBytes);
      const bytes = new Uint8Array(mapped.slice(0));
      staging.unmap();
      return { layer, block: { end, tokens, bytes } };
    });
    const arriving = Promise.all(reads).then((blocks) => {
      for (const { layer, block } of blocks) this.#store.add(layer, block);
    });
    // A lost device rejects it; whoever waits for it reports that.
    arriving.catch(() => undefined);
    this.#arriving = arriving;
  }

  /** Resolves when all pages are on the host. */
  async settled(): Promise<void> {
    await this.#arriving;
    this.#arriving = undefined;
  }

  dispose(): void {
    const own = [...this.#parameters, this.#slots, this.#records, ...this.#staging];
    for (const buffer of own) this.#gpu.buffers.release(buffer);
  }

  #uniform(layer: number): GPUBuffer {
    const uniform = this.#parameters[layer];
    if (uniform === undefined) throw new Error(`there is no layer ${layer}`);
    return uniform;
  }

  async #reserve(rows: number): Promise<void> {
    const { buffers } = this.#gpu;
    const { numKvHeads } = this.#shape;
    const bytes = (rows / PAGE_TOKENS) * this.#layout.pageBytes;
    if (bytes <= this.#records.size && this.#staging.length > 0) return;
    for (const buffer of [this.#slots, this.#records, ...this.#staging]) buffers.release(buffer);
    this.#slots = buffers.allocate({ purpose: "activations", bytes: 4 * numKvHeads * rows });
    this.#records = buffers.allocate({ purpose: "activations", bytes });
    const usage = BufferUsage.MAP_READ | BufferUsage.COPY_DST;
    this.#staging = this.#parameters.map(() =>
      buffers.allocate({ purpose: "staging", bytes, usage }),
    );
    await this.#gpu.kernels.forgetBindings();
  }
}

/** What an eviction drops of a layer whose heads all hold the same number of slots. */
function droppedOf({ shape, slots }: KvCache, layer: number): Dropped {
  const lengths = slots[layer]?.lengths ?? [];
  const [length = 0] = lengths;
  if (lengths.some((other) => other !== length))
    throw new Error("pages need heads that hold the same number of tokens");
  const budget = shape.plan?.layers[layer]?.budget ?? shape.plan?.budget ?? length;
  return { layer, length, tokens: length - budget };
}

export async function createSpill(gpu: Gpu, parts: SpillParts): Promise<Spill> {
  const sources = spillSources(parts.shape);
  const [slots, keys, values, bounds] = await Promise.all([
    gpu.kernels.get(sources.slots),
    gpu.kernels.get(sources.keys),
    gpu.kernels.get(sources.values),
    gpu.kernels.get(sources.bounds),
  ]);
  return new Spill(gpu, { ...parts, kernels: { slots, keys, values, bounds } });
}
