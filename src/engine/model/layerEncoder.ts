// A layer of a pass as commands: norms, products with its weights, and attention with what the cache keeps beside keys and
// values.

import type { LayerCache } from "../cache/cacheShape.ts";
import type { LayerSlots } from "../cache/layerSlots.ts";
import { type QuerySample, sampledSlots } from "../cache/querySamples.ts";
import type { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Binding } from "../gpu/kernel.ts";
import type { Activations } from "./activations.ts";
import { type BranchRows, encodeBranches, rowsApart } from "./branchAttention.ts";
import type { DecoderModel, DecoderOperations, LayerOperations } from "./decoderOperations.ts";
import type { LayerWeights } from "./decoderWeights.ts";
import type { AttentionBuffers } from "./operations/attention.ts";
import { MATMUL_TOKENS } from "./operations/linear.ts";
import { createStepBuffer, writeStep } from "./step.ts";
import { encodeStoredRows } from "./storeRows.ts";

/** The hidden states of a pass, behind so many layers each; 0 are the embeddings. */
export interface CapturedStates {
  readonly layers: readonly number[];
  /** [layers.length, tokens, hiddenSize] */
  readonly target: GPUBuffer;
}

/** What tells one pass from another when its commands are built. */
export interface Pass {
  readonly tokens: number;
  /** The pass's token ids and step. */
  readonly ids: GPUBuffer;
  readonly step: GPUBuffer;
  /** Slots its attention sees, of a head without surplus. */
  readonly cacheLength: number;
  /** Attends to all slots, whatever blocks sparse prefill would choose. */
  readonly isDense?: boolean;
  /** Queries whose attention is recorded. */
  readonly sample?: QuerySample | undefined;
  /** Whether it repeats what was read: only the record counts then. */
  readonly isRepeat?: boolean;
  /** The first row that is looked at behind the last layer; absent: all are. Rows in front leave it with keys and values alone. */
  readonly firstOutput?: number | undefined;
  readonly captured?: CapturedStates | undefined;
  /** Where its rows are several continuations of what the cache holds. */
  readonly branches?: readonly BranchRows[];
}

interface OutputRows {
  /** [tokens, hiddenSize] */
  readonly hidden: Binding;
  /** [tokens, numHeads * headDim] */
  readonly attended: Binding;
  readonly step: GPUBuffer;
  readonly tokens: number;
}

export class LayerEncoder {
  readonly #gpu: Gpu;
  readonly #model: DecoderModel;
  readonly #operations: DecoderOperations;
  readonly #activations: Activations;
  /** Rows that a pass goes on with behind the last layer's attention. */
  readonly #outputStep: GPUBuffer;
  /** Log-sum-exps that attention to the cache's tail goes on from [chunkLength, numHeads]. */
  readonly #lse: GPUBuffer | undefined;
  #partial: { readonly partial: GPUBuffer; readonly statistics: GPUBuffer };

  constructor(
    gpu: Gpu,
    model: DecoderModel,
    operations: DecoderOperations,
    activations: Activations,
  ) {
    this.#gpu = gpu;
    this.#model = model;
    this.#operations = operations;
    this.#activations = activations;
    this.#outputStep = createStepBuffer(gpu);
    this.#partial = this.#allocatePartial();
    const lseBytes = 4 * activations.chunkLength * model.config.numHeads;
    this.#lse =
      model.cache.tail && gpu.buffers.allocate({ purpose: "activations", bytes: lseBytes });
  }

  /** Layers of the model. */
  get count(): number {
    return this.#model.weights.layers.length;
  }

  /** All of a layer, from the hidden states to the hidden states. */
  encode(commands: CommandList, layer: number, pass: Pass): void {
    this.encodeQueries(commands, layer, pass);
    this.encodeRest(commands, layer, pass);
  }

  /** Copy the hidden states behind the first `layer` layers to where they are wanted. */
  encodeCapture(commands: CommandList, layer: number, { tokens, captured }: Pass): void {
    const index = captured?.layers.indexOf(layer) ?? -1;
    if (captured === undefined || index < 0) return;
    const bytes = 4 * tokens * this.#model.config.hiddenSize;
    commands.copy({
      ...{ source: this.#activations.hidden, sourceOffset: 0 },
      ...{ target: captured.target, targetOffset: index * bytes, bytes },
    });
  }

  /** A layer up to its queries, keys and values. */
  encodeQueries(
    commands: CommandList,
    layer: number,
    { tokens, step, sample, branches }: Pass,
  ): void {
    const { hidden, normed, qkv } = this.#activations;
    const { norm, eviction } = this.#operations;
    const weights = this.weights(layer);
    norm(commands, { input: hidden, weight: weights.attentionNorm, output: normed }, tokens);
    weights.qkv.encode(commands, { input: normed, output: qkv, step }, tokens);
    // A branch is turned where it is attended with.
    if (branches) return;
    const { rope, frequencies, basis } = this.operations(layer);
    const { heads } = this.cacheOf(layer);
    const kept = tokens === 1 ? eviction?.generated?.layers[layer] : undefined;
    const norms = weights.qkNorms;
    if (sample !== undefined && eviction?.ranks(layer))
      eviction.encodeQueries(commands, { qkv, norms, step }, { layer, tokens });
    rope(commands, { frequencies, norms, qkv, step, heads, kept }, tokens);
    basis?.enter(commands, { qkv, step }, tokens);
  }

  /** A layer from the keys of the slots it sees on. */
  encodeRest(commands: CommandList, layer: number, pass: Pass): void {
    const { normed, gated, branch } = this.#activations;
    const { norm, postNorm } = this.#operations;
    const weights = this.weights(layer);
    if (pass.branches) {
      const cache = this.cacheOf(layer);
      const own = { cache, norms: weights.qkNorms, ...this.#lses };
      const buffers = { ...this.#activations, ...this.#partial, ...own };
      const longest = this.longest(layer, pass.cacheLength);
      encodeBranches(
        commands,
        this.operations(layer),
        { branches: pass.branches, longest },
        buffers,
      );
    } else this.#encodeAttention(commands, layer, pass);
    const { hidden, attended, step, tokens } = this.#goingOn(layer, pass);
    if (tokens === 0) return;
    if (weights.attentionPostNorm === undefined) {
      weights.attentionOutput.encode(commands, { input: attended, output: hidden, step }, tokens);
    } else {
      weights.attentionOutput.encode(commands, { input: attended, output: branch, step }, tokens);
      const weight = weights.attentionPostNorm;
      postNorm(commands, { input: branch, weight, output: hidden }, tokens);
    }
    norm(commands, { input: hidden, weight: weights.mlpNorm, output: normed }, tokens);
    weights.gateUp.encode(commands, { input: normed, output: gated, step }, tokens);
    if (weights.mlpPostNorm === undefined) {
      weights.down.encode(commands, { input: gated, output: hidden, step }, tokens);
    } else {
      weights.down.encode(commands, { input: gated, output: branch, step }, tokens);
      postNorm(commands, { input: branch, weight: weights.mlpPostNorm, output: hidden }, tokens);
    }
  }

  cacheOf(layer: number): LayerCache {
    const cache = this.#model.cache.layers[layer];
    if (cache === undefined) throw new Error(`layer ${layer} has no cache: reserve comes first`);
    return cache;
  }

  /** Slots of the layer's head that holds most, when the cache's length is `cacheLength`. */
  longest(layer: number, cacheLength: number): number {
    return cacheLength + this.slots(layer).longest - this.#model.cache.length;
  }

  slots(layer: number): LayerSlots {
    const slots = this.#model.cache.slots[layer];
    if (slots === undefined) throw new Error(`the cache has no layer ${layer}`);
    return slots;
  }

  operations(layer: number): LayerOperations {
    const operations = this.#operations.layers[layer];
    if (operations === undefined) throw new Error(`the model has no layer ${layer}`);
    return operations;
  }

  weights(layer: number): LayerWeights {
    const weights = this.#model.weights.layers[layer];
    if (weights === undefined) throw new Error(`the model has no layer ${layer}`);
    return weights;
  }

  /** The cache has other buffers now. */
  resize(): void {
    this.#releasePartial();
    this.#partial = this.#allocatePartial();
  }

  dispose(): void {
    this.#releasePartial();
    this.#gpu.buffers.release(this.#outputStep);
    if (this.#lse) this.#gpu.buffers.release(this.#lse);
  }

  #encodeAttention(
    commands: CommandList,
    layer: number,
    { tokens, step, cacheLength, isDense, sample, isRepeat }: Pass,
  ): void {
    const operations = this.operations(layer);
    const { frequencies, attention, repeatAttention, dual, basis, tailAttention } = operations;
    const { eviction, dualChunk, sparsePrefill } = this.#operations;
    const cache = this.cacheOf(layer);
    const { qkv, attended } = this.#activations;
    const longest = this.longest(layer, cacheLength);
    const tail = this.#model.cache.tail?.layers[layer];
    const kept = eviction?.generated?.layers[layer];
    const shared = { qkv, cache, tail, kept, output: attended, step, ...this.#lses };
    const buffers: AttentionBuffers = { ...shared, ...this.#partial };
    encodeStoredRows(commands, operations, { qkv, cache, tail, step }, tokens);
    if (dual !== undefined && dualChunk !== undefined) {
      const place = { layer: dual, slots: this.slots(layer), frequencies };
      dualChunk.encode(commands, place, buffers, { tokens, cacheLength });
    } else if (isRepeat) repeatAttention?.encodePrefill(commands, buffers, tokens, longest);
    else if (tokens === 1) attention.encodeDecode(commands, buffers, longest);
    else if (sparsePrefill !== undefined && attention.shape.window === 0 && !isDense)
      sparsePrefill.encode(commands, layer, buffers, { tokens, cacheLength });
    else attention.encodePrefill(commands, buffers, tokens, longest);
    if (tail && shared.lse) {
      const { lse } = shared;
      if (tokens > 1 || !attention.decodesTail)
        tailAttention?.encodeFinish(commands, { ...shared, tail, lse }, tokens);
      tailAttention?.encodeStore(commands, { qkv, tail, step }, tokens);
    }
    basis?.leave(commands, { output: attended, step }, tokens);
    if (sample === undefined || !eviction?.ranks(layer)) return;
    const slots = sampledSlots(sample, longest - cacheLength);
    eviction.encodeRecord(commands, { qkv, cache, step }, slots);
  }

  /** What attention leaves log-sum-exps in, where its kernels were compiled to: whether or not anyone looks at those of a pass. */
  get #lses(): Pick<AttentionBuffers, "lse" | "sample"> {
    const { eviction } = this.#operations;
    return { lse: eviction?.lse ?? this.#lse, sample: eviction?.sampleBuffer };
  }

  /** The rows that go on behind a layer's attention: in the last layer those that are looked at. */
  #goingOn(layer: number, { tokens, step, firstOutput = 0 }: Pass): OutputRows {
    const { hidden, attended } = this.#activations;
    if (layer < this.count - 1 || firstOutput <= 0) return { hidden, attended, step, tokens };
    if (firstOutput >= tokens) return { hidden, attended, step, tokens: 0 };
    // Enough that the kernels are those of the whole pass: the numbers are the same to the last bit.
    const latest = Math.min(firstOutput, Math.max(0, tokens - MATMUL_TOKENS));
    const { hiddenSize, numHeads, headDim } = this.#model.config;
    const [hiddenBytes, attendedBytes] = [4 * hiddenSize, 4 * numHeads * headDim];
    const first = latest - (latest % rowsApart(this.#gpu, [hiddenBytes, attendedBytes]));
    const rows = tokens - first;
    const range = (buffer: GPUBuffer, bytes: number): Binding => ({
      ...{ buffer, offset: first * bytes, size: rows * bytes },
    });
    writeStep(this.#gpu, this.#outputStep, { numTokens: rows, firstPosition: 0, firstSlot: 0 });
    return {
      hidden: range(hidden, hiddenBytes),
      attended: range(attended, attendedBytes),
      step: this.#outputStep,
      tokens: rows,
    };
  }

  /** Room for the parts of split attention, for every slot the cache has. */
  #allocatePartial(): { partial: GPUBuffer; statistics: GPUBuffer } {
    const sizes = this.#operations.layers.map(({ attention }, layer) => {
      const { longest, free } = this.slots(layer);
      return attention.partialBytes(longest + free, this.#activations.chunkLength);
    });
    const allocate = (which: "partial" | "statistics"): GPUBuffer =>
      this.#gpu.buffers.allocate({
        purpose: "activations",
        bytes: Math.max(...sizes.map((size) => size[which])),
      });
    return { partial: allocate("partial"), statistics: allocate("statistics") };
  }

  #releasePartial(): void {
    this.#gpu.buffers.release(this.#partial.partial);
    this.#gpu.buffers.release(this.#partial.statistics);
  }
}
