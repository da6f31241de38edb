// Reading given tokens and looking at what the model predicts behind each of them.

import { writeStep } from "./model/step.ts";
import type { Prefill, PrefillModel, PrefillOptions } from "./prefill.ts";

/** Receives the logits [rows, vocabSize] behind the tokens from index `firstToken` on. */
export type OnLogits = (firstToken: number, logits: Float32Array) => void;

/** −ln p(token[i + 1] | token[0..i]) of tokens that are read into an empty cache; length tokens.length − 1. */
export async function scoreTokens(
  model: PrefillModel,
  prefill: Prefill,
  { tokens, ...options }: { tokens: readonly number[] } & PrefillOptions,
): Promise<Float32Array> {
  const { gpu, decoder, cache } = model;
  const { activations } = decoder;
  const nll = new Float32Array(tokens.length - 1);
  cache.clear();
  await decoder.reserve(cache.slotsFor(tokens.length, 0));
  await prefill.run(tokens, 0, {
    ...options,
    firstOutput: 0,
    onChunk: async (start, count) => {
      // The last token of all has no target.
      const scored = Math.min(count, nll.length - start);
      for (let row = 0; row < scored; row += activations.logitRows) {
        const rows = Math.min(activations.logitRows, scored - row);
        const first = start + row;
        const targets = Uint32Array.from(tokens.slice(first + 1, first + 1 + rows));
        gpu.buffers.write(activations.targets, 0, targets);
        submit(model, rows, decoder.nllList(row, rows));
        nll.set(new Float32Array(await gpu.read(activations.nll, 0, 4 * rows)), first);
      }
    },
  });
  return nll;
}

/**
 * Read the tokens from index `first` on, the cache holding those before, and hand out the logits behind each from `firstRow` on;
 * default: behind all that are read.
 */
export async function readLogits(
  model: PrefillModel,
  prefill: Pick<Prefill, "run">,
  {
    tokens,
    first,
    firstRow = first,
    onLogits,
    ...options
  }: {
    readonly tokens: readonly number[];
    readonly first: number;
    readonly firstRow?: number;
    readonly onLogits: OnLogits;
  } & PrefillOptions,
): Promise<void> {
  const { decoder, cache } = model;
  await decoder.reserve(cache.slotsFor(tokens.length - first, 0));
  await prefill.run(tokens, first, {
    ...options,
    firstOutput: firstRow,
    // The hidden states of a chunk last until the next one.
    onChunk: (start, count) =>
      readRowLogits(
        model,
        { firstRow: Math.max(0, firstRow - start), endRow: count },
        (row, logits) => onLogits(start + row, logits),
      ),
  });
}

/** Hand out the logits [rows, vocabSize] behind some rows of the last pass, as many at once as there is room for. */
export async function readRowLogits(
  model: PrefillModel,
  { firstRow, endRow }: { firstRow: number; endRow: number },
  onLogits: (firstRow: number, logits: Float32Array) => void,
): Promise<void> {
  const { gpu, decoder } = model;
  const { activations, config } = decoder;
  for (let row = firstRow; row < endRow; row += activations.logitRows) {
    const rows = Math.min(activations.logitRows, endRow - row);
    submit(model, rows, decoder.logitsList(row, rows));
    const bytes = 4 * rows * config.vocabSize;
    onLogits(row, new Float32Array(await gpu.read(activations.logits, 0, bytes)));
  }
}

function submit(
  { gpu, decoder }: PrefillModel,
  rows: number,
  commands: ReturnType<PrefillModel["decoder"]["logitsList"]>,
): void {
  writeStep(gpu, decoder.outputStep, { numTokens: rows, firstPosition: 0, firstSlot: 0 });
  gpu.submit([commands]);
}
