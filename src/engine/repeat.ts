// KVzip's second pass: in front of an eviction the model reads once more what it has not repeated yet, behind a request to do
// so, and the most attention each slot gets is recorded. What is read so is not appended to the cache.

import type { Eviction } from "./cache/eviction.ts";
import { type RepeatedPiece, type Repetition, repeatedPieces } from "./cache/repetition.ts";
import type { Pacer } from "./gpu/pacer.ts";
import { writeStep } from "./model/step.ts";
import type { PrefillModel } from "./prefill.ts";

export interface RepeatParts {
  readonly model: PrefillModel;
  readonly eviction: Eviction;
  readonly repetition: Repetition;
  readonly pacer: Pacer;
  /** Tokens of the pass that begins with the `start`-th. */
  readonly chunkLength: (start: number) => number;
}

/**
 * Record the attention of a repeat for all slots that have none, behind a chunk of `rows` tokens, whose last row stays in
 * the decoder's activations.
 * @throws StoppedError when the signal fires; pieces repeated completely are not repeated again
 */
export async function repeatUnrecorded(
  parts: RepeatParts,
  rows: number,
  signal?: AbortSignal,
): Promise<void> {
  const { eviction, repetition } = parts;
  const { cache, decoder } = parts.model;
  const span = { first: eviction.samples.recordedSlots, end: cache.length };
  const restoreRow = decoder.saveRow(rows - 1);
  try {
    for (const piece of repeatedPieces(repetition, cache.tokens, span)) {
      await repeatPiece(parts, piece, signal);
      eviction.samples.recordedSlots = piece.end;
    }
  } finally {
    restoreRow();
  }
}

async function repeatPiece(
  { model, eviction, pacer, chunkLength }: RepeatParts,
  { first, end, tokens }: RepeatedPiece,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { gpu, decoder, cache } = model;
  const { scheme, sinks } = eviction.plan;
  let chunk = 0;
  for (let start = 0; start < tokens.length; start += chunk) {
    chunk = Math.min(chunkLength(start), tokens.length - start);
    const firstSlot = cache.length + start;
    const ids = Uint32Array.from(tokens.slice(start, start + chunk));
    gpu.buffers.write(decoder.activations.tokens, 0, ids);
    const firstPosition = scheme.position(cache.tokensRead + start, firstSlot);
    writeStep(gpu, decoder.chunkStep, { numTokens: chunk, firstPosition, firstSlot });
    const sample = {
      ...{ first: 0, stride: 1, count: chunk },
      joinedSlots: start === 0 ? first : end,
      ...{ firstSlot: first, endSlot: end },
      ...{ sinks: Math.min(sinks, first), repeatSlot: cache.length },
    };
    eviction.writeSample(sample);
    await pacer.run(decoder.repeatLists(chunk, firstSlot + chunk, sample), chunk, signal);
  }
}
