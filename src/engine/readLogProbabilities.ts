// ln p of what may follow the last tokens of a prompt, without drawing any of it.

import type { Prefill, PrefillModel, PrefillOptions } from "./prefill.ts";
import { readLogits } from "./teacherForced.ts";

export interface LogProbabilityRequest extends PrefillOptions {
  readonly tokens: readonly number[];
  /** Index of the first token the cache does not hold; at most `tokens.length − wanted.length`. */
  readonly first: number;
  /** Tokens asked for behind each of the last tokens. */
  readonly wanted: readonly (readonly number[])[];
}

/** Read the tokens from `first` on into the cache; ln p of `wanted[i]` behind the i-th of the last `wanted.length` tokens. */
export async function readLogProbabilities(
  model: PrefillModel,
  prefill: Pick<Prefill, "run">,
  { wanted, ...request }: LogProbabilityRequest,
): Promise<number[][]> {
  const { vocabSize } = model.decoder.config;
  const firstRow = request.tokens.length - wanted.length;
  const found: number[][] = [];
  const onLogits = (_: number, logits: Float32Array): void => {
    for (let at = 0; at < logits.length; at += vocabSize) {
      const own = logits.subarray(at, at + vocabSize);
      found.push(logProbabilitiesOf(own, wanted[found.length] ?? []));
    }
  };
  await readLogits(model, prefill, { ...request, firstRow, onLogits });
  return found;
}

/** ln softmax of some of a row's logits [vocabSize]. */
export function logProbabilitiesOf(logits: Float32Array, wanted: readonly number[]): number[] {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > highest) highest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  const logSum = highest + Math.log(sum);
  return wanted.map((token) => (logits[token] ?? Number.NEGATIVE_INFINITY) - logSum);
}
