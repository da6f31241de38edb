// The forward pass: embed, layers, logits. It builds command lists; who submits them, and when, is decided elsewhere.

import type { Eviction } from "../cache/eviction.ts";
import type { KeptRows } from "../cache/generatedQueries.ts";
import type { KvCache, LayerCache } from "../cache/kvCache.ts";
import type { LayerSlots } from "../cache/layerSlots.ts";
import type { QuerySample } from "../cache/querySamples.ts";
import type { Recall } from "../cache/recall/recall.ts";
import { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import { type Activations, allocateActivations, releaseActivations } from "./activations.ts";
import { type BranchRows, encodeBranches } from "./branchAttention.ts";
import type { DecoderConfig } from "./decoderConfig.ts";
import {
  createOperations,
  type DecoderModel,
  type DecoderOperations,
  type DecoderOptions,
  type LayerOperations,
} from "./decoderOperations.ts";
import type { DecoderWeights, LayerWeights } from "./decoderWeights.ts";
import { DocumentRope } from "./documentRope.ts";
import type { AttentionBuffers } from "./operations/attention.ts";
import type { DualChunkAttention } from "./operations/dualChunkAttention.ts";
import type { Sampler } from "./operations/sampler.ts";
import type { SparsePrefill } from "./sparsity/sparsePrefill.ts";
import { createStepBuffer, writeStep } from "./step.ts";

/** What tells one pass from another when its commands are built. */
interface Pass {
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
  /** Where its rows are several continuations of what the cache holds. */
  readonly branches?: readonly BranchRows[];
}

export class Decoder {
  readonly config: DecoderConfig;
  readonly activations: Activations;
  readonly sampler: Sampler;
  /** Steps of a prefilled chunk, of decoding, and of the rows whose logits are computed. */
  readonly chunkStep: GPUBuffer;
  readonly decodeStep: GPUBuffer;
  readonly outputStep: GPUBuffer;
  /** Keeps a bounded cache within its budget. */
  readonly eviction: Eviction | undefined;
  /** Chooses the blocks that prefill attends to. */
  readonly sparsePrefill: SparsePrefill | undefined;
  /** Brings evicted tokens back, where the settings ask for it. */
  readonly recall: Recall | undefined;
  /** Where RoPE's frequencies follow the length of the document. */
  readonly documentRope: DocumentRope | undefined;
  /** Where positions begin anew with every chunk of the text: a pass lies in one of them. */
  readonly dualChunk: DualChunkAttention | undefined;
  /** The slots an eviction leaves. */
  readonly #keptStep: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #weights: DecoderWeights;
  readonly #cache: KvCache;
  readonly #operations: DecoderOperations;
  /** Log-sum-exps that attention to the cache's tail goes on from [chunkLength, numHeads]. */
  readonly #lse: GPUBuffer | undefined;
  readonly #decodeLists = new Map<string, CommandList>();
  #partial: { readonly partial: GPUBuffer; readonly statistics: GPUBuffer };

  constructor(
    gpu: Gpu,
    model: DecoderModel,
    operations: DecoderOperations,
    { chunkLength, ropesFor }: DecoderOptions,
  ) {
    this.#gpu = gpu;
    this.config = model.config;
    this.#weights = model.weights;
    this.#cache = model.cache;
    this.#operations = operations;
    this.activations = allocateActivations(gpu, model.config, chunkLength);
    this.sampler = operations.sampler;
    this.chunkStep = createStepBuffer(gpu);
    this.decodeStep = createStepBuffer(gpu);
    this.outputStep = createStepBuffer(gpu);
    this.#keptStep = createStepBuffer(gpu);
    this.eviction = operations.eviction;
    this.sparsePrefill = operations.sparsePrefill;
    this.recall = operations.recall;
    this.dualChunk = operations.dualChunk;
    const frequencies = operations.layers.map((layer) => layer.frequencies);
    this.documentRope = ropesFor && new DocumentRope(gpu, model.cache, { ropesFor, frequencies });
    this.#partial = this.#allocatePartial();
    const lseBytes = 4 * this.activations.chunkLength * model.config.numHeads;
    this.#lse =
      model.cache.tail && gpu.buffers.allocate({ purpose: "activations", bytes: lseBytes });
  }

  /** Make room in the cache for `slots` of each layer; command lists built before must not be used any more when it grew. */
  async reserve(slots: readonly number[]): Promise<void> {
    if (this.#cache.reserve(slots)) await this.#replaced();
  }

  /** The cache has other buffers now. */
  async #replaced(): Promise<void> {
    this.#decodeLists.clear();
    this.#releasePartial();
    this.#partial = this.#allocatePartial();
    this.eviction?.reserve(this.#cache);
    this.dualChunk?.forget();
    this.sparsePrefill?.reserve(Math.max(...this.#cache.slots.map(({ capacity }) => capacity)));
    await this.#gpu.kernels.forgetBindings();
  }

  /** A chunk of `tokens` tokens in `activations.tokens`, one list a layer; the embedding belongs to the first. */
  prefillLists(tokens: number, cacheLength: number, sample?: QuerySample): CommandList[] {
    const ids = this.activations.tokens;
    return this.#layerLists({ tokens, ids, step: this.chunkStep, cacheLength, sample });
  }

  /** A chunk of tokens that repeat what was read, for the record of its attention; one list a layer. */
  repeatLists(tokens: number, cacheLength: number, sample: QuerySample): CommandList[] {
    const ids = this.activations.tokens;
    const pass = { tokens, ids, step: this.chunkStep, cacheLength, sample, isRepeat: true };
    return this.#layerLists(pass);
  }

  /** Whether several continuations of what the cache holds can be read in one pass: it must end where its tokens do. */
  get canBranch(): boolean {
    const { plan, tail } = this.#cache.shape;
    return !plan && !tail && !this.dualChunk && !this.sparsePrefill;
  }

  /** A pass whose rows, `tokens` in all, are continuations of what the cache holds, which stays as it is; one list a layer. */
  branchLists(tokens: number, branches: readonly BranchRows[]): CommandList[] {
    const ids = this.activations.tokens;
    const { length: cacheLength } = this.#cache;
    return this.#layerLists({ tokens, ids, step: this.chunkStep, cacheLength, branches });
  }

  /** Set a row of the hidden states aside; the function returned puts it back. */
  saveRow(row: number): () => void {
    const { hidden, outputRows } = this.activations;
    const bytes = 4 * this.config.hiddenSize;
    const copy = (source: GPUBuffer, sourceOffset: number, target: GPUBuffer, offset: number) => {
      const commands = new CommandList();
      commands.copy({ source, sourceOffset, target, targetOffset: offset, bytes });
      this.#submit(commands);
    };
    copy(hidden, row * bytes, outputRows, 0);
    return () => copy(outputRows, 0, hidden, row * bytes);
  }

  /** Bring a bounded cache down to its budget; command lists built before must not be used any more. */
  async evict(): Promise<void> {
    if (this.eviction === undefined) return;
    const { moved, relaid } = await this.eviction.evict(this.#cache, this.recall);
    if (relaid) await this.#replaced();
    this.#rotateKept(moved);
  }

  /** Turn the keys that an eviction moved by their new positions. */
  #rotateKept(moved: readonly boolean[]): void {
    if (!moved.includes(true)) return;
    const { length } = this.#cache;
    writeStep(this.#gpu, this.#keptStep, { numTokens: length, firstPosition: 0, firstSlot: 0 });
    for (const [index, cache] of this.#cache.layers.entries()) {
      const { rotateKeys, frequencies } = this.#layer(index);
      if (rotateKeys === undefined || !moved[index]) continue;
      const commands = new CommandList();
      const { longest } = this.#slots(index);
      rotateKeys(commands, { cache, frequencies, step: this.#keptStep }, longest);
      this.#submit(commands);
    }
  }

  #submit(commands: CommandList): void {
    const encoder = this.#gpu.device.createCommandEncoder();
    commands.encode(encoder);
    this.#gpu.device.queue.submit([encoder.finish()]);
  }

  /**
   * A layer of a chunk in two parts: up to its queries, and from the keys of the slots it sees on, which may have been
   * changed between the two.
   */
  splitLists(layer: number, tokens: number, cacheLength: number): [CommandList, CommandList] {
    const weights = this.#weights.layers[layer];
    if (weights === undefined) throw new Error(`the model has no layer ${layer}`);
    const ids = this.activations.tokens;
    const pass = { tokens, ids, step: this.chunkStep, cacheLength, isDense: true };
    this.documentRope?.sync();
    const [queries, rest] = [new CommandList(), new CommandList()];
    if (layer === 0) this.#encodeEmbed(queries, pass);
    this.#encodeQueries(queries, { layer, weights }, pass);
    this.#encodeRest(rest, { layer, weights }, pass);
    return [queries, rest];
  }

  /** Bring back what the queries of a layer's first part choose; see Recall.bring. */
  bring(recall: Recall, layer: number): Promise<Uint32Array | undefined> {
    const cache = this.#layerCache(layer);
    const { frequencies } = this.#layer(layer);
    return recall.bring(layer, cache, { qkv: this.activations.qkv, frequencies });
  }

  /** Turn all keys of a layer that are cached before RoPE by their slots, or by `ranks` [KV heads, slots]. */
  rotateList(layer: number, ranks?: GPUBuffer): CommandList {
    const commands = new CommandList();
    const cache = this.#layerCache(layer);
    const { rotateKeys, rotateRanked, frequencies } = this.#layer(layer);
    const step = this.#keptStep;
    const { length } = this.#cache;
    const { longest } = this.#slots(layer);
    writeStep(this.#gpu, step, { numTokens: length, firstPosition: 0, firstSlot: 0 });
    if (ranks) rotateRanked?.(commands, { cache, frequencies, step, ranks }, longest);
    else rotateKeys?.(commands, { cache, frequencies, step }, longest);
    return commands;
  }

  /** Draw the next token from the last of a chunk's `tokens` rows. */
  firstTokenList(tokens: number): CommandList {
    const commands = this.logitsList(tokens - 1, 1);
    this.sampler.encode(commands, this.activations.logits, this.decodeStep);
    return commands;
  }

  /** Read the token drawn last, and draw the next one. The cache's length with it is at most `cacheLength`. */
  decodeList(cacheLength: number): CommandList {
    const splits = this.#operations.layers.map(
      ({ attention, dual }, layer) =>
        (dual && this.dualChunk?.decodeKey(dual, cacheLength)) ??
        attention.splits(this.#longest(layer, cacheLength)),
    );
    const key = splits.join();
    let commands = this.#decodeLists.get(key);
    if (commands === undefined) {
      commands = new CommandList();
      const pass = { tokens: 1, ids: this.sampler.token, step: this.decodeStep, cacheLength };
      this.#encodeEmbed(commands, pass);
      for (const [layer, weights] of this.#weights.layers.entries())
        this.#encodeLayer(commands, { layer, weights }, pass);
      this.#encodeLogits(commands, this.activations.hidden, 1);
      this.sampler.encode(commands, this.activations.logits, this.decodeStep);
      this.#decodeLists.set(key, commands);
    }
    return commands;
  }

  /** Record the queries of generated tokens, or their attention; their rows are in the ring. */
  recordGenerated(rows: KeptRows): void {
    const { eviction } = this;
    if (eviction === undefined) return;
    const step = this.#keptStep;
    const sample = eviction.samples.ofGenerated(rows);
    eviction.writeSample(sample);
    const firstSlot = rows.start + rows.base;
    writeStep(this.#gpu, step, { numTokens: rows.end, firstPosition: 0, firstSlot });
    const commands = new CommandList();
    for (const [layer, { queries: qkv, lse }] of eviction.generated?.layers.entries() ?? []) {
      if (!eviction.ranks(layer)) continue;
      const norms = this.#weights.layers[layer]?.qkNorms;
      if (norms)
        eviction.encodeQueries(commands, { qkv, norms, step }, { layer, tokens: rows.end });
      const slots = this.#longest(layer, sample.endSlot);
      eviction.encodeRecord(commands, { qkv, cache: this.#layerCache(layer), step, lse }, slots);
    }
    this.#submit(commands);
  }

  /** Logits of `rows` rows of the last chunk, from `firstRow` on, into `activations.logits`. */
  logitsList(firstRow: number, rows: number): CommandList {
    const commands = new CommandList();
    const rowBytes = 4 * this.config.hiddenSize;
    commands.copy({
      source: this.activations.hidden,
      sourceOffset: firstRow * rowBytes,
      target: this.activations.outputRows,
      targetOffset: 0,
      bytes: rows * rowBytes,
    });
    this.#encodeLogits(commands, this.activations.outputRows, rows);
    return commands;
  }

  /** −ln p of `activations.targets` under the last chunk's rows from `firstRow` on, into `activations.nll`. */
  nllList(firstRow: number, rows: number): CommandList {
    const commands = this.logitsList(firstRow, rows);
    this.#operations.nll(commands, this.activations, rows);
    return commands;
  }

  dispose(): void {
    releaseActivations(this.#gpu, this.activations);
    this.#releasePartial();
    this.sampler.dispose();
    this.eviction?.dispose();
    this.dualChunk?.dispose();
    this.sparsePrefill?.dispose();
    this.recall?.dispose();
    if (this.#lse) this.#gpu.buffers.release(this.#lse);
    const layers = this.#operations.layers.flatMap(({ frequencies, scales, keyBias }) => [
      frequencies,
      ...(scales ? [scales] : []),
      ...(keyBias ? [keyBias] : []),
    ]);
    const steps = [this.chunkStep, this.decodeStep, this.outputStep, this.#keptStep];
    for (const buffer of [...layers, ...steps]) this.#gpu.buffers.release(buffer);
  }

  #layerLists(pass: Pass): CommandList[] {
    this.documentRope?.sync();
    return this.#weights.layers.map((weights, layer) => {
      const commands = new CommandList({ isFleeting: pass.branches !== undefined });
      if (layer === 0) this.#encodeEmbed(commands, pass);
      this.#encodeLayer(commands, { layer, weights }, pass);
      return commands;
    });
  }

  #encodeEmbed(commands: CommandList, { tokens, ids }: Pass): void {
    this.#operations.embed(commands, { tokens: ids, output: this.activations.hidden }, tokens);
  }

  #encodeLayer(
    commands: CommandList,
    { layer, weights }: { layer: number; weights: LayerWeights },
    pass: Pass,
  ): void {
    this.#encodeQueries(commands, { layer, weights }, pass);
    this.#encodeRest(commands, { layer, weights }, pass);
  }

  #encodeQueries(
    commands: CommandList,
    { layer, weights }: { layer: number; weights: LayerWeights },
    { tokens, step, sample, branches }: Pass,
  ): void {
    const { hidden, normed, qkv } = this.activations;
    const { norm } = this.#operations;
    norm(commands, { input: hidden, weight: weights.attentionNorm, output: normed }, tokens);
    weights.qkv.encode(commands, { input: normed, output: qkv, step }, tokens);
    // A branch is turned where it is attended with.
    if (branches) return;
    const { rope, frequencies, basis } = this.#layer(layer);
    const { heads } = this.#layerCache(layer);
    const kept = tokens === 1 ? this.eviction?.generated?.layers[layer] : undefined;
    const norms = weights.qkNorms;
    if (sample !== undefined && this.eviction?.ranks(layer))
      this.eviction.encodeQueries(commands, { qkv, norms, step }, { layer, tokens });
    rope(commands, { frequencies, norms, qkv, step, heads, kept }, tokens);
    basis?.enter(commands, { qkv, step }, tokens);
  }

  #encodeRest(
    commands: CommandList,
    { layer, weights }: { layer: number; weights: LayerWeights },
    pass: Pass,
  ): void {
    const { tokens, step } = pass;
    const { hidden, normed, attended, gated, branch } = this.activations;
    const { norm, postNorm } = this.#operations;
    if (pass.branches) {
      const cache = this.#layerCache(layer);
      const buffers = { ...this.activations, ...this.#partial, cache, norms: weights.qkNorms };
      const { branches, cacheLength } = pass;
      encodeBranches(commands, this.#layer(layer), { branches, cacheLength }, buffers);
    } else this.#encodeAttention(commands, layer, pass);
    // Nobody reads what the last layer of a repeat puts out.
    if (pass.isRepeat && layer === this.#weights.layers.length - 1) return;
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

  #encodeAttention(
    commands: CommandList,
    layer: number,
    { tokens, step, cacheLength, isDense, sample, isRepeat }: Pass,
  ): void {
    const operations = this.#layer(layer);
    const { frequencies, attention, repeatAttention, dual, basis, tailAttention } = operations;
    const { rotateKeys, storePlaces } = operations;
    const cache = this.#layerCache(layer);
    const { qkv, attended } = this.activations;
    const longest = this.#longest(layer, cacheLength);
    const record = { lse: this.eviction?.lse ?? this.#lse, sample: this.eviction?.sampleBuffer };
    const tail = this.#cache.tail?.layers[layer];
    const kept = this.eviction?.generated?.layers[layer];
    const shared = { qkv, cache, tail, kept, output: attended, step, ...record };
    const buffers: AttentionBuffers = { ...shared, ...this.#partial };
    const stored = { ...cache, keys: cache.unrotatedKeys ?? cache.keys };
    attention.encodeStore(commands, { ...buffers, cache: stored }, tokens);
    if (tail) tailAttention?.encodeGroups(commands, { qkv, tail, cache, step }, tokens);
    rotateKeys?.(commands, { cache, frequencies, step }, tokens);
    storePlaces?.(commands, { cache, step }, tokens);
    if (dual !== undefined && this.dualChunk !== undefined) {
      const place = { layer: dual, slots: this.#slots(layer), frequencies };
      this.dualChunk.encode(commands, place, buffers, { tokens, cacheLength });
    } else if (isRepeat) repeatAttention?.encodePrefill(commands, buffers, tokens, longest);
    else if (tokens === 1) attention.encodeDecode(commands, buffers, longest);
    else if (this.sparsePrefill !== undefined && attention.shape.window === 0 && !isDense)
      this.sparsePrefill.encode(commands, layer, buffers, { tokens, cacheLength });
    else attention.encodePrefill(commands, buffers, tokens, longest);
    if (tail && shared.lse) {
      const { lse } = shared;
      if (tokens > 1 || !attention.decodesTail)
        tailAttention?.encodeFinish(commands, { ...shared, tail, lse }, tokens);
      tailAttention?.encodeStore(commands, { qkv, tail, step }, tokens);
    }
    basis?.leave(commands, { output: attended, step }, tokens);
    if (sample === undefined || !this.eviction?.ranks(layer)) return;
    const slots = longest - cacheLength + sample.endSlot - sample.firstSlot;
    this.eviction.encodeRecord(commands, { qkv, cache, step }, slots);
  }

  #layerCache(layer: number): LayerCache {
    const cache = this.#cache.layers[layer];
    if (cache === undefined) throw new Error(`layer ${layer} has no cache: reserve comes first`);
    return cache;
  }

  /** Slots of the layer's head that holds most, when the cache's length is `cacheLength`. */
  #longest(layer: number, cacheLength: number): number {
    return cacheLength + this.#slots(layer).longest - this.#cache.length;
  }

  #slots(layer: number): LayerSlots {
    const slots = this.#cache.slots[layer];
    if (slots === undefined) throw new Error(`the cache has no layer ${layer}`);
    return slots;
  }

  #layer(index: number): LayerOperations {
    const operations = this.#operations.layers[index];
    if (operations === undefined) throw new Error(`the model has no layer ${index}`);
    return operations;
  }

  #encodeLogits(commands: CommandList, input: GPUBuffer, rows: number): void {
    const { normed, logits } = this.activations;
    const weight = this.#weights.outputNorm;
    this.#operations.norm(commands, { input, weight, output: normed }, rows);
    const buffers = { input: normed, output: logits, step: this.outputStep };
    this.#weights.output.encode(commands, buffers, rows);
  }

  /** Room for the parts of split attention, for every slot the cache has. */
  #allocatePartial(): { partial: GPUBuffer; statistics: GPUBuffer } {
    const sizes = this.#operations.layers.map(({ attention }, layer) => {
      const { longest, free } = this.#slots(layer);
      return attention.partialBytes(longest + free, this.activations.chunkLength);
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

/** A decoder with its operations compiled. */
export async function createDecoder(
  gpu: Gpu,
  model: DecoderModel,
  options: DecoderOptions,
): Promise<Decoder> {
  const operations = await createOperations(gpu, model, options);
  return new Decoder(gpu, model, operations, options);
}
