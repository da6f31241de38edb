// Scores every page for a question, on the GPU: how much its queries could attend to a page at most, by the page's summary.

import { BufferUsage } from "../../gpu/bufferUsage.ts";
import { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { AttentionShape } from "../../model/operations/attention.ts";
import { keyBiasBindings } from "../../model/operations/keyBias.ts";
import type { LayerCache } from "../cacheShape.ts";
import { type PageRope, queryVersions, SCORE_WORKGROUP, scoreSources } from "./recallKernels.ts";

interface ScoreKernels {
  readonly queries: Kernel;
  readonly lse: Kernel;
  readonly scores: Kernel;
}

/** A question to a layer. */
export interface QuestionSize {
  readonly numTokens: number;
  readonly numPages: number;
  /** Slots of tokens that were not evicted. */
  readonly kept: number;
  /** Slots that recalled tokens take. */
  readonly recalled: number;
  /** The first rank and the number of ranks that recalled tokens may get. */
  readonly firstRank: number;
  readonly rankSpan: number;
}

export interface ScoredLayer {
  /** [tokens, qkvSize], behind RoPE */
  readonly qkv: GPUBuffer;
  readonly cache: LayerCache;
  /** [pages, KV heads, headDim] */
  readonly bounds: GPUBuffer;
  readonly frequencies: GPUBuffer;
}

export class PageScorer {
  readonly #gpu: Gpu;
  readonly #shape: AttentionShape;
  readonly #rope: PageRope;
  readonly #kernels: ScoreKernels;
  readonly #question: GPUBuffer;
  #queries: GPUBuffer;
  #lse: GPUBuffer;
  #scores: GPUBuffer;

  constructor(gpu: Gpu, shape: AttentionShape, rope: PageRope, kernels: ScoreKernels) {
    this.#gpu = gpu;
    this.#shape = shape;
    this.#rope = rope;
    this.#kernels = kernels;
    const usage = BufferUsage.UNIFORM | BufferUsage.COPY_DST;
    this.#question = gpu.buffers.allocate({ purpose: "parameters", bytes: 24, usage });
    const scratch = (): GPUBuffer => gpu.buffers.allocate({ purpose: "activations", bytes: 4 });
    this.#queries = scratch();
    this.#lse = scratch();
    this.#scores = scratch();
  }

  /** Make room for questions of so many tokens over so many pages. */
  async reserve({
    numTokens,
    numPages,
  }: Pick<QuestionSize, "numTokens" | "numPages">): Promise<void> {
    const { numHeads, numKvHeads, headDim } = this.#shape;
    const rows = numHeads * numTokens;
    const words = [queryVersions(this.#rope) * rows * headDim, rows, numKvHeads * numPages];
    const [queries = 0, lse = 0, scores = 0] = words.map((count) => 4 * count);
    const fits =
      queries <= this.#queries.size && lse <= this.#lse.size && scores <= this.#scores.size;
    if (!fits) {
      this.#release();
      const scratch = (bytes: number): GPUBuffer =>
        this.#gpu.buffers.allocate({ purpose: "activations", bytes });
      [this.#queries, this.#lse, this.#scores] = [scratch(queries), scratch(lse), scratch(scores)];
      await this.#gpu.kernels.forgetBindings();
    }
  }

  /** The scores of every page [KV heads][pages]; there is room for them. */
  async score(
    { qkv, cache, bounds, frequencies }: ScoredLayer,
    { numTokens, numPages, kept, recalled, firstRank, rankSpan }: QuestionSize,
  ): Promise<Float32Array[]> {
    const uniform = [numTokens, numPages, kept, recalled, firstRank, rankSpan];
    this.#gpu.buffers.write(this.#question, 0, Uint32Array.from(uniform));
    const { numHeads, numKvHeads } = this.#shape;
    const commands = new CommandList();
    const question = this.#question;
    commands.dispatch(
      this.#kernels.queries,
      [qkv, frequencies, this.#queries, question],
      [numHeads, numTokens, queryVersions(this.#rope)],
    );
    commands.dispatch(
      this.#kernels.lse,
      [
        ...[this.#queries, bounds, cache.keys, this.#lse, question, cache.heads],
        ...keyBiasBindings(this.#shape.keyBias, cache),
      ],
      [Math.ceil(numTokens / SCORE_WORKGROUP), numHeads],
    );
    commands.dispatch(
      this.#kernels.scores,
      [this.#queries, bounds, this.#lse, this.#scores, question],
      [Math.ceil(numPages / SCORE_WORKGROUP), numKvHeads],
    );
    this.#gpu.submit([commands]);
    const read = await this.#gpu.read(this.#scores, 0, 4 * numKvHeads * numPages);
    const all = new Float32Array(read);
    return Array.from({ length: numKvHeads }, (_, head) =>
      all.subarray(head * numPages, (head + 1) * numPages),
    );
  }

  dispose(): void {
    this.#release();
    this.#gpu.buffers.release(this.#question);
  }

  #release(): void {
    for (const buffer of [this.#queries, this.#lse, this.#scores])
      this.#gpu.buffers.release(buffer);
  }
}

export async function createPageScorer(
  gpu: Gpu,
  shape: AttentionShape,
  rope: PageRope,
): Promise<PageScorer> {
  const sources = scoreSources(gpu.capabilities, shape, rope);
  const [queries, lse, scores] = await Promise.all([
    gpu.kernels.get(sources.queries),
    gpu.kernels.get(sources.lse),
    gpu.kernels.get(sources.scores),
  ]);
  return new PageScorer(gpu, shape, rope, { queries, lse, scores });
}
