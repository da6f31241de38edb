// ln p of what may follow the last tokens of a prompt, without drawing any of it.

import { writeStep } from "./model/step.ts";
import type { Prefill, PrefillModel, PrefillOptions } from "./prefill.ts";

export interface LogProbabilityRequest extends PrefillOptions {
  readonly tokens: readonly number[];
  /** Index of the first token the cache does not hold; at most `tokens.length − wanted.length`. */
  readonly first: number;
  /** Tokens asked for behind each of the last tokens. */
  readonly wanted: readonly (readonly number[])[];
}

/** Read the tokens from `first` on into the cache; ln p of `wanted[i]` behind the i-th of the last `wanted.length` tokens. */
export async function readLogProbabilities(
  { gpu, decoder }: PrefillModel,
  prefill: Prefill,
  { tokens, first, wanted, onPrefill, signal }: LogProbabilityRequest,
): Promise<number[][]> {
  const { activations, config, outputStep } = decoder;
  const { vocabSize } = config;
  const firstRow = tokens.length - wanted.length;
  const found: number[][] = [];
  await prefill.run(tokens, first, {
    onPrefill,
    signal,
    // The hidden states of a chunk last until the next one.
    onChunk: async (start, count) => {
      while (firstRow + found.length < start + count) {
        const token = firstRow + found.length;
        if (token < start) return;
        const rows = Math.min(activations.logitRows, start + count - token);
        writeStep(gpu, outputStep, { numTokens: rows, firstPosition: 0, firstSlot: 0 });
        const encoder = gpu.device.createCommandEncoder();
        decoder.logitsList(token - start, rows).encode(encoder);
        gpu.device.queue.submit([encoder.finish()]);
        const bytes = await gpu.read(activations.logits, 0, 4 * rows * vocabSize);
        const logits = new Float32Array(bytes);
        for (let row = 0; row < rows; row++) {
          const own = logits.subarray(row * vocabSize, (row + 1) * vocabSize);
          found.push(logProbabilitiesOf(own, wanted[found.length] ?? []));
        }
      }
    },
  });
  return found;
}

// ln softmax of some of a row's logits [vocabSize].
function logProbabilitiesOf(logits: Float32Array, wanted: readonly number[]): number[] {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > highest) highest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  const logSum = highest + Math.log(sum);
  return wanted.map((token) => (logits[token] ?? Number.NEGATIVE_INFINITY) - logSum);
}
