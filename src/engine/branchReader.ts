// ln p of what may follow several continuations of one prompt, read in one pass instead of one behind another.

import type { Branch } from "./languageModel.ts";
import { type BranchRows, placeBranches } from "./model/branchAttention.ts";
import { createStepBuffer, writeStep } from "./model/step.ts";
import type { Prefill, PrefillModel, PrefillOptions } from "./prefill.ts";
import { PromptReader } from "./questionPass.ts";
import { logProbabilitiesOf } from "./readLogProbabilities.ts";
import { readRowLogits } from "./teacherForced.ts";

/** Continuations of one prompt. */
export interface BranchRequest extends Pick<PrefillOptions, "onPrefill" | "signal"> {
  readonly prompt: readonly number[];
  readonly branches: readonly Branch[];
}

/** Reads branches behind a prompt, which the cache holds afterwards. */
export class BranchReader {
  readonly #model: PrefillModel;
  /** One for each branch of a pass. */
  readonly #steps: GPUBuffer[] = [];

  constructor(model: PrefillModel) {
    this.#model = model;
  }

  /**
   * Read what the cache lacks of the prompt; ln p of every branch's `wanted`. The tokens of a branch are at most as many as a chunk.
   * Where evicted ones come back, those that the prompt's end chooses are there for all branches, and the end is forgotten with them.
   * Throws StoppedError when the signal fires.
   */
  async read(
    prefill: Prefill,
    { prompt, branches, ...options }: BranchRequest,
  ): Promise<number[][][]> {
    const { cache, decoder } = this.#model;
    const longest = Math.max(0, ...branches.map(({ tokens }) => tokens.length));
    const first = cache.resume(prompt, decoder.recall ? 1 : 0);
    await decoder.reserve(cache.slotsFor(prompt.length - first, longest));
    const reader = new PromptReader(this.#model, prefill);
    const found: number[][][] = [];
    try {
      if (first < prompt.length) await reader.run(prompt, first, options);
      while (found.length < branches.length)
        found.push(
          ...(await this.#readSome(prefill, branches.slice(found.length), options.signal)),
        );
    } finally {
      reader.forget();
    }
    return found;
  }

  dispose(): void {
    for (const step of this.#steps) this.#model.gpu.buffers.release(step);
  }

  /** The first branches, as many as make up a pass. */
  async #readSome(
    prefill: Prefill,
    branches: readonly Branch[],
    signal: AbortSignal | undefined,
  ): Promise<number[][][]> {
    const { gpu, decoder, cache } = this.#model;
    const { config, activations } = decoder;
    const lengths = branches.map(({ tokens }) => tokens.length);
    const firstRows = placeBranches(gpu, config, lengths);
    const ends = firstRows.map((row, i) => row + (lengths[i] ?? 0));
    const fitting = ends.filter((end) => end <= prefill.passLength).length;
    const chosen = branches.slice(0, Math.max(1, fitting));
    const rows = ends[chosen.length - 1] ?? 0;
    const ids = new Uint32Array(rows);
    const place = { firstPosition: cache.nextPosition, firstSlot: cache.length };
    const placed = chosen.map(({ tokens }, i): BranchRows => {
      const firstRow = firstRows[i] ?? 0;
      ids.set(tokens, firstRow);
      const step = this.#step(i);
      writeStep(gpu, step, { ...place, numTokens: tokens.length });
      return { firstRow, tokens: tokens.length, step };
    });
    gpu.buffers.write(activations.tokens, 0, ids);
    writeStep(gpu, decoder.chunkStep, { ...place, numTokens: rows });
    await prefill.runAside(decoder.branchLists(rows, placed), rows, signal);
    const found = chosen.map((): number[][] => []);
    await readRowLogits(this.#model, { firstRow: 0, endRow: rows }, (first, logits) => {
      for (let at = 0; at < logits.length; at += config.vocabSize) {
        const row = first + at / config.vocabSize;
        const branch = placed.findLastIndex(({ firstRow }) => firstRow <= row);
        const wanted = chosen[branch]?.wanted[row - (placed[branch]?.firstRow ?? 0)];
        // Rows between branches are nobody's.
        if (wanted === undefined) continue;
        found[branch]?.push(logProbabilitiesOf(logits.subarray(at, at + config.vocabSize), wanted));
      }
    });
    return found;
  }

  #step(index: number): GPUBuffer {
    let step = this.#steps[index];
    if (step === undefined) {
      step = createStepBuffer(this.#model.gpu);
      this.#steps.push(step);
    }
    return step;
  }
}
