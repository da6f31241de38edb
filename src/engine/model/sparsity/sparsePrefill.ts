// Prefill attention to chosen blocks: between the store and the attention of a layer the selector's kernels score the
// blocks, the choice becomes a list for each query block and KV head, and attention passes along the lists.

import type { PrefillStats } from "../../../protocol.ts";
import { UserError } from "../../errors.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Binding, Kernel } from "../../gpu/kernel.ts";
import type { AttentionBuffers, AttentionShape } from "../operations/attention.ts";
import {
  prefillMergeSources,
  prefillParts,
  prefillSource,
} from "../operations/attentionKernels.ts";
import { encodePass, type PassKernels } from "../operations/prefillPass.ts";
import { BLOCK, type PassBlocks, type SelectorBuffer, type SelectorKernel } from "./selector.ts";
import { selectHighest } from "./selectorKernels.ts";
import type { SparsityPlan } from "./sparsityPlan.ts";

/** Tokens of a pass, and the slots filled with it. */
export interface SparsePass {
  readonly tokens: number;
  readonly cacheLength: number;
}

interface CompiledKernel {
  readonly kernel: Kernel;
  readonly of: SelectorKernel;
}

// Counters of each layer begin where a binding may: WebGPU's largest alignment.
const COUNTER_BYTES = 256;

export class SparsePrefill {
  readonly plan: SparsityPlan;
  readonly #gpu: Gpu;
  readonly #shape: AttentionShape;
  readonly #chunkLength: number;
  readonly #kernels: readonly CompiledKernel[];
  readonly #attention: PassKernels;
  /** Blocks attended so far [layers, KV heads]. */
  readonly #attended: GPUBuffer;
  readonly #constants: ReadonlyMap<SelectorBuffer, GPUBuffer>;
  /** Scratch of one layer at a time. */
  #scratch: ReadonlyMap<SelectorBuffer, GPUBuffer> = new Map();
  #visible = 0;

  constructor(
    gpu: Gpu,
    plan: SparsityPlan,
    parts: SparseParts & { kernels: readonly CompiledKernel[]; attention: PassKernels },
  ) {
    this.#gpu = gpu;
    this.plan = plan;
    this.#shape = parts.shape;
    this.#chunkLength = parts.chunkLength;
    this.#kernels = parts.kernels;
    this.#attention = parts.attention;
    this.#attended = gpu.buffers.allocate({
      purpose: "parameters",
      bytes: parts.numLayers * COUNTER_BYTES,
    });
    const constants = named(plan.selector.constants?.(parts.shape) ?? {});
    this.#constants = new Map(
      constants.map(([name, values]) => [name, gpu.buffers.upload("parameters", values)]),
    );
  }

  /**
   * Make room for passes over a cache of this capacity.
   * @throws UserError when the adapter cannot bind what a pass needs
   */
  reserve(capacity: number): void {
    this.#release();
    const { buffers, device } = this.#gpu;
    const blocks = {
      query: Math.ceil(this.#chunkLength / BLOCK) + 1,
      key: Math.ceil(capacity / BLOCK),
    };
    const rows = this.#shape.numKvHeads * blocks.query;
    const words = {
      scores: rows * blocks.key,
      lists: rows * (1 + blocks.key),
      ...this.plan.selector.words?.(this.#shape, blocks),
    };
    const bytes = 4 * Math.max(...Object.values(words));
    if (bytes > device.limits.maxStorageBufferBindingSize || blocks.key >= 65536) {
      throw new UserError(
        `Prefill sparsity ${this.plan.id} over ${capacity} tokens does not fit in one binding of this adapter: lower the chunk length from ${this.#chunkLength}, or the context length.`,
      );
    }
    const entries = named(words).map(([name, count]): [SelectorBuffer, GPUBuffer] => [
      name,
      buffers.allocate({ purpose: "activations", bytes: 4 * count }),
    ]);
    this.#scratch = new Map(entries);
  }

  /** Choose a layer's blocks and attend to them; its keys and values are stored. */
  encode(
    commands: CommandList,
    layer: number,
    buffers: AttentionBuffers,
    { tokens, cacheLength }: SparsePass,
  ): void {
    const { qkv, cache, step } = buffers;
    const firstSlot = cacheLength - tokens;
    const key = Math.ceil(cacheLength / BLOCK);
    const blocks: PassBlocks = { query: key - Math.floor(firstSlot / BLOCK), key };
    const attended = { buffer: this.#attended, offset: layer * COUNTER_BYTES, size: COUNTER_BYTES };
    const given: Partial<Record<SelectorBuffer, Binding>> = {
      ...{ qkv, keys: cache.keys, heads: cache.heads, step, attended },
      ...(cache.keyBias && {
        keyBias: cache.keyBias.bias,
        keyFrequencies: cache.keyBias.frequencies,
      }),
      ...(cache.places && { places: cache.places }),
    };
    const buffer = (name: SelectorBuffer): Binding => {
      const found = given[name] ?? this.#scratch.get(name) ?? this.#constants.get(name);
      if (found === undefined) throw new Error(`the selector has no buffer ${name}`);
      return found;
    };
    for (const { kernel, of } of this.#kernels)
      commands.dispatch(kernel, of.buffers.map(buffer), of.grid(blocks));
    const { numHeads, numKvHeads } = this.#shape;
    const groupSize = numHeads / numKvHeads;
    const front = ((firstSlot % BLOCK) * groupSize) % BLOCK;
    // About what is attended: a threshold of mass takes fewer blocks than it says.
    const length = Math.ceil(this.plan.threshold * cacheLength);
    encodePass(commands, this.#attention, buffers, {
      tokens,
      grid: [Math.ceil((front + tokens * groupSize) / BLOCK), numKvHeads],
      parts: prefillParts(this.#gpu.capabilities, this.#shape, { tokens, length }),
      lists: buffer("lists"),
    });
    for (let block = key - blocks.query; block < key; block++)
      this.#visible += (block + 1) * numKvHeads;
  }

  /** Scores and lists of the layer encoded last, by name. */
  get scratch(): ReadonlyMap<SelectorBuffer, GPUBuffer> {
    return this.#scratch;
  }

  /** Count anew from here. */
  begin(): void {
    this.#visible = 0;
    const zeros = new Uint8Array(this.#attended.size);
    this.#gpu.buffers.write(this.#attended, 0, zeros);
  }

  /** What was attended since `begin`. */
  async stats(): Promise<PrefillStats> {
    const counts = new Uint32Array(await this.#gpu.read(this.#attended));
    const attended = counts.reduce((sum, count) => sum + count, 0);
    const { id, selector, threshold } = this.plan;
    return {
      sparsity: id,
      threshold,
      thresholdOf: selector.of,
      ...(this.#visible > 0 && { blocksAttended: attended / this.#visible }),
    };
  }

  dispose(): void {
    this.#release();
    const own = [this.#attended, ...this.#constants.values()];
    for (const buffer of own) this.#gpu.buffers.release(buffer);
  }

  #release(): void {
    for (const buffer of this.#scratch.values()) this.#gpu.buffers.release(buffer);
    this.#scratch = new Map();
  }
}

/** The entries of a record whose keys are names of buffers. */
function named<T>(record: Partial<Record<SelectorBuffer, T>>): [SelectorBuffer, T][] {
  return Object.entries(record) as [SelectorBuffer, T][];
}

interface SparseParts {
  readonly shape: AttentionShape;
  readonly numLayers: number;
  readonly chunkLength: number;
}

export async function createSparsePrefill(
  gpu: Gpu,
  plan: SparsityPlan,
  parts: SparseParts,
): Promise<SparsePrefill> {
  const compiled = selectorKernels(gpu.capabilities, plan, parts.shape).map(async (of) => ({
    of,
    kernel: await gpu.kernels.get(of.source),
  }));
  const { shape } = parts;
  const passes = [
    prefillSource(gpu.capabilities, shape, "listed"),
    ...prefillMergeSources(gpu.capabilities, shape),
  ].map((source) => gpu.kernels.get(source));
  const kernels = await Promise.all(compiled);
  const [prefill, merge] = await Promise.all(passes);
  if (prefill === undefined) throw new Error("attention to blocks has a kernel");
  const attention = { shape, prefill, merge };
  return new SparsePrefill(gpu, plan, { ...parts, kernels, attention });
}

/** A selector's kernels, the choice last. */
export function selectorKernels(
  capabilities: Gpu["capabilities"],
  { selector, threshold }: Pick<SparsityPlan, "selector" | "threshold">,
  shape: AttentionShape,
): SelectorKernel[] {
  const selection = selector.selection?.(capabilities, shape, threshold);
  const choice = selection ?? selectHighest(capabilities, selector, shape, threshold);
  return [...selector.kernels(capabilities, shape), choice];
}
