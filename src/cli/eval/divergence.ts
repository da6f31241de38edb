// How far a compressed cache takes the model's predictions from those over the full one: Kullback-Leibler divergence, and how
// often both find the same token likeliest.

import { compare } from "../../engine/answer/fidelity.ts";
import type { ModelSettings } from "../../protocol.ts";
import type { EvalTools } from "./evalTools.ts";

/** Predictions compared: those behind the last tokens of a text. */
const NUM_ROWS = 64;
/** Settings that compress the cache or change what is computed, whatever they are; where caches lie is none of them. */
const COMPRESSING = /^(?:cache(?!Dir)|position|prefill)/;

/** ln p of every token behind each of the last tokens [NUM_ROWS][vocabSize]. */
export type Predictions = readonly Float32Array[];

export interface Divergence {
  /** Mean KL(full ‖ compressed) in nats. */
  readonly kl: number;
  /** Share of the rows whose likeliest token is the same. */
  readonly agreement: number;
}

/** The model's predictions behind the last tokens of a text under `settings`. */
export async function predictionsOf(
  { engine, model, work }: EvalTools,
  tokens: readonly number[],
  settings: ModelSettings,
): Promise<Predictions> {
  const vocabulary = Array.from({ length: model.tokenizer.vocabSize }, (_, token) => token);
  const wanted = new Array<readonly number[]>(Math.min(NUM_ROWS, tokens.length)).fill(vocabulary);
  const rows = await engine.use(settings, work, (opened) =>
    opened.model.logProbabilities(tokens, wanted, { signal: work.signal }),
  );
  return rows.map((row) => Float32Array.from(row));
}

/** Settings without those that compress: the full cache in 16 bits, as long as a text needs. */
export function fullSettings(settings: ModelSettings, contextLength: number): ModelSettings {
  const plain = Object.entries(settings).filter(([name]) => !COMPRESSING.test(name));
  return { ...Object.fromEntries(plain), contextLength };
}

/** How far `other` is from `full`. */
export function divergenceOf(full: Predictions, other: Predictions): Divergence {
  const { meanKl, topAgreement } = compare(full, other);
  return { kl: meanKl, agreement: topAgreement };
}
