// The forward pass: embed, layers, logits. It builds command lists; who submits them, and when, is decided elsewhere.

import type { Eviction } from "../cache/eviction.ts";
import type { KeptRows } from "../cache/generatedQueries.ts";
import type { KvCache } from "../cache/kvCache.ts";
import type { QuerySample } from "../cache/querySamples.ts";
import type { Recall } from "../cache/recall/recall.ts";
import { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import { type Activations, allocateActivations, releaseActivations } from "./activations.ts";
import type { BranchRows } from "./branchAttention.ts";
import type { DecoderConfig } from "./decoderConfig.ts";
import {
  createOperations,
  type DecoderModel,
  type DecoderOperations,
  type DecoderOptions,
} from "./decoderOperations.ts";
import type { DecoderWeights } from "./decoderWeights.ts";
import { DocumentRope } from "./documentRope.ts";
import { KeptSlots } from "./keptSlots.ts";
import { LayerEncoder, type Pass } from "./layerEncoder.ts";
import type { DualChunkAttention } from "./operations/dualChunkAttention.ts";
import type { Sampler } from "./operations/sampler.ts";
import type { SparsePrefill } from "./sparsity/sparsePrefill.ts";
import { createStepBuffer } from "./step.ts";

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
  readonly #kept: KeptSlots;
  readonly #gpu: Gpu;
  readonly #weights: DecoderWeights;
  readonly #cache: KvCache;
  readonly #operations: DecoderOperations;
  readonly #layers: LayerEncoder;
  readonly #decodeLists = new Map<string, CommandList>();

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
    this.eviction = operations.eviction;
    this.sparsePrefill = operations.sparsePrefill;
    this.recall = operations.recall;
    this.dualChunk = operations.dualChunk;
    const frequencies = operations.layers.map((layer) => layer.frequencies);
    this.documentRope = ropesFor && new DocumentRope(gpu, model.cache, { ropesFor, frequencies });
    this.#layers = new LayerEncoder(gpu, model, operations, this.activations);
    this.#kept = new KeptSlots(gpu, model.cache, this.#layers);
  }

  /** Make room in the cache for `slots` of each layer; command lists built before must not be used any more when it grew. */
  async reserve(slots: readonly number[]): Promise<void> {
    if (this.#cache.reserve(slots)) await this.#replaced();
  }

  /** The cache has other buffers now. */
  async #replaced(): Promise<void> {
    this.#decodeLists.clear();
    this.#layers.resize();
    this.eviction?.reserve(this.#cache);
    this.dualChunk?.forget();
    this.sparsePrefill?.reserve(Math.max(...this.#cache.slots.map(({ capacity }) => capacity)));
    await this.#gpu.kernels.forgetBindings();
  }

  /**
   * A chunk of `tokens` tokens in `activations.tokens`, one list a layer; the embedding belongs to the first. Behind the last
   * layer the hidden states are those of the rows from `firstOutput` on.
   */
  prefillLists(
    tokens: number,
    cacheLength: number,
    output: Pick<Pass, "sample" | "captured"> & { readonly firstOutput: number },
  ): CommandList[] {
    const ids = this.activations.tokens;
    return this.#layerLists({ tokens, ids, step: this.chunkStep, cacheLength, ...output });
  }

  /** A chunk of tokens that repeat what was read, for the record of its attention; one list a layer. */
  repeatLists(tokens: number, cacheLength: number, sample: QuerySample): CommandList[] {
    const ids = this.activations.tokens;
    const pass = { tokens, ids, step: this.chunkStep, cacheLength, sample };
    return this.#layerLists({ ...pass, isRepeat: true, firstOutput: tokens });
  }

  /**
   * Whether several continuations of what the cache holds can be read in one pass: it must end where its tokens do. Where tokens
   * were evicted, evictions of another place would come behind each continuation, unless they are recalled: then none comes.
   */
  get canBranch(): boolean {
    const { plan, tail } = this.#cache.shape;
    return (!plan || this.recall !== undefined) && !tail && !this.dualChunk && !this.sparsePrefill;
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
      this.#gpu.submit([commands]);
    };
    copy(hidden, row * bytes, outputRows, 0);
    return () => copy(outputRows, 0, hidden, row * bytes);
  }

  /** Bring a bounded cache down to its budget; command lists built before must not be used any more. */
  async evict(): Promise<void> {
    if (this.eviction === undefined) return;
    const { moved, relaid } = await this.eviction.evict(this.#cache, this.recall);
    if (relaid) await this.#replaced();
    this.#kept.rotateMoved(moved);
  }

  /**
   * A layer of a chunk in two parts: up to its queries, and from the keys of the slots it sees on, which may have been
   * changed between the two.
   */
  splitLists(layer: number, tokens: number, cacheLength: number): [CommandList, CommandList] {
    const ids = this.activations.tokens;
    const pass = { tokens, ids, step: this.chunkStep, cacheLength, isDense: true };
    this.documentRope?.sync();
    const [queries, rest] = [new CommandList(), new CommandList()];
    if (layer === 0) this.#encodeEmbed(queries, pass);
    this.#layers.encodeQueries(queries, layer, pass);
    this.#layers.encodeRest(rest, layer, pass);
    return [queries, rest];
  }

  /** Bring back what the queries of a layer's first part choose; see Recall.bring. */
  bring(recall: Recall, layer: number): Promise<Uint32Array | undefined> {
    const cache = this.#layers.cacheOf(layer);
    const { frequencies } = this.#layers.operations(layer);
    return recall.bring(layer, cache, { qkv: this.activations.qkv, frequencies });
  }

  /** See KeptSlots.rotate. */
  rotateList(layer: number, ranks?: GPUBuffer): CommandList {
    return this.#kept.rotate(layer, ranks);
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
        attention.splits(this.#layers.longest(layer, cacheLength)),
    );
    const key = splits.join();
    let commands = this.#decodeLists.get(key);
    if (commands === undefined) {
      commands = new CommandList();
      const pass = { tokens: 1, ids: this.sampler.token, step: this.decodeStep, cacheLength };
      this.#encodeEmbed(commands, pass);
      for (let layer = 0; layer < this.#layers.count; layer++)
        this.#layers.encode(commands, layer, pass);
      this.#encodeLogits(commands, this.activations.hidden, 1);
      this.sampler.encode(commands, this.activations.logits, this.decodeStep);
      this.#decodeLists.set(key, commands);
    }
    return commands;
  }

  /** Record the queries of generated tokens, or their attention; their rows are in the ring. */
  recordGenerated(rows: KeptRows): void {
    if (this.eviction) this.#kept.recordGenerated(this.eviction, rows);
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
    this.#layers.dispose();
    this.#kept.dispose();
    this.sampler.dispose();
    this.eviction?.dispose();
    this.dualChunk?.dispose();
    this.sparsePrefill?.dispose();
    this.recall?.dispose();
    const layers = this.#operations.layers.flatMap(({ frequencies, scales, keyBias }) => [
      frequencies,
      ...(scales ? [scales] : []),
      ...(keyBias ? [keyBias] : []),
    ]);
    const steps = [this.chunkStep, this.decodeStep, this.outputStep];
    for (const buffer of [...layers, ...steps]) this.#gpu.buffers.release(buffer);
  }

  #layerLists(pass: Pass): CommandList[] {
    this.documentRope?.sync();
    return Array.from({ length: this.#layers.count }, (_, layer) => {
      const isCut = layer === this.#layers.count - 1 && (pass.firstOutput ?? 0) > 0;
      const isFleeting = pass.branches !== undefined || isCut;
      const commands = new CommandList({ isFleeting, isShort: isCut });
      if (layer === 0) this.#encodeEmbed(commands, pass);
      this.#layers.encodeCapture(commands, layer, pass);
      this.#layers.encode(commands, layer, pass);
      return commands;
    });
  }

  #encodeEmbed(commands: CommandList, { tokens, ids }: Pass): void {
    this.#operations.embed(commands, { tokens: ids, output: this.activations.hidden }, tokens);
  }

  #encodeLogits(commands: CommandList, input: GPUBuffer, rows: number): void {
    const { normed, logits } = this.activations;
    const weight = this.#weights.outputNorm;
    this.#operations.norm(commands, { input, weight, output: normed }, rows);
    const buffers = { input: normed, output: logits, step: this.outputStep };
    this.#weights.output.encode(commands, buffers, rows);
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
