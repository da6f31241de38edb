// How far a cache is from the full one on the user's own text: the text is read under both, all but its end, and what each
// predicts at the end is compared token by token.

import type { CacheStats, Fidelity, ModelSettings } from "../../protocol.ts";
import type { CacheKeeper } from "../cache/cacheKeeper.ts";
import { UserError } from "../errors.ts";
import type { OpenModel, Work } from "../modelHost.ts";
import { ProgressMeter } from "../progress.ts";
import type { WholeReading } from "./wholeReading.ts";

/** Predictions that are compared: at most so many, at most this share of the text, and so many bytes of logits. */
const MOST_PREDICTIONS = 256;
const COMPARED_SHARE = 0.25;
const MOST_LOGIT_BYTES = 128e6;

/** Runs work with the model that settings ask for. */
export type UseModel = <T>(
  settings: ModelSettings,
  work: (opened: OpenModel) => Promise<T>,
) => Promise<T>;

/** Compare the cache that a reading is planned for with the full one in f16. Throws UserError for texts that are too short. */
export async function measureFidelity(
  reading: WholeReading,
  use: UseModel,
  { observer, signal }: Work,
): Promise<Omit<Fidelity, "document" | "skipped">> {
  const meter = new ProgressMeter(observer, "prefill", "tokens");
  const onPrefill = (done: number, total: number) => meter.report(done, total);
  const run = async ({ model }: OpenModel, tokens: readonly number[]) => {
    const { keeper, contextLength } = model;
    if (!keeper) throw new UserError("This model has no cache to measure: choose another model.");
    const text = comparedText(tokens, { contextLength, vocabSize: keeper.vocabSize });
    const rows = await predictions(keeper, text, { onPrefill, signal });
    return { rows, tokens: text.tokens, cache: model.cacheStats() };
  };
  const full = await use(fullSettings(reading.settings), (opened) => run(opened, reading.prefix));
  const compared = await use(reading.settings, (opened) => run(opened, full.tokens));
  const caches: { cache: CacheStats; full: CacheStats } = {
    cache: compared.cache,
    full: full.cache,
  };
  return { ...caches, ...compare(full.rows, compared.rows) };
}

/** The same model and positions with every token in f16. */
function fullSettings(settings: ModelSettings): ModelSettings {
  const { model, adapter, matrixUnits, ropeScaling, ropeFactor } = settings;
  const same = { model, adapter, matrixUnits, ropeScaling, ropeFactor };
  const given = Object.entries(same).filter(([, value]) => value !== undefined);
  const exact = { cachePolicy: "full", cacheTypeK: "f16", cacheTypeV: "f16" };
  return { ...Object.fromEntries(given), ...exact };
}

/** The tokens of a text, and from which on predictions are compared. */
export interface ComparedText {
  readonly tokens: readonly number[];
  readonly first: number;
}

/** The beginning of `tokens` that fits into `contextLength`. Throws UserError where that is too short to compare anything. */
export function comparedText(
  tokens: readonly number[],
  { contextLength, vocabSize }: { contextLength: number; vocabSize: number },
): ComparedText {
  const used = tokens.slice(0, contextLength);
  const room = Math.floor(MOST_LOGIT_BYTES / 4 / vocabSize);
  const compared = Math.min(MOST_PREDICTIONS, Math.floor(used.length * COMPARED_SHARE), room);
  if (compared < 1) {
    throw new UserError(
      `The text has ${used.length} tokens, too few to compare predictions at its end: name a longer one.`,
    );
  }
  return { tokens: used, first: used.length - compared };
}

/** Log-probabilities [vocabSize] behind each compared token, with all in front of them read in chunks. */
export async function predictions(
  keeper: CacheKeeper,
  { tokens, first }: ComparedText,
  options: { onPrefill?: (done: number, total: number) => void; signal?: AbortSignal },
): Promise<Float32Array[]> {
  await keeper.read(tokens.slice(0, first), options);
  const rows: Float32Array[] = [];
  const onLogits = (firstToken: number, logits: Float32Array): void => {
    const vocabSize = keeper.vocabSize;
    for (let at = 0; at < logits.length; at += vocabSize)
      if (firstToken + at / vocabSize >= first)
        rows.push(logSoftmax(logits.subarray(at, at + vocabSize)));
  };
  await keeper.readLogits(tokens, onLogits, options.signal ? { signal: options.signal } : {});
  return rows;
}

/** Agreement of the likeliest token, and KL(full ‖ compared) in nat. */
export function compare(
  full: readonly Float32Array[],
  compared: readonly Float32Array[],
): Pick<Fidelity, "predictions" | "topAgreement" | "meanKl" | "maxKl"> {
  const divergences = full.map((row, i) => divergence(row, compared[i] ?? new Float32Array()));
  const agreeing = full.filter((row, i) => argmax(row) === argmax(compared[i] ?? row));
  return {
    predictions: full.length,
    topAgreement: agreeing.length / full.length,
    meanKl: divergences.reduce((sum, value) => sum + value, 0) / full.length,
    maxKl: Math.max(...divergences),
  };
}

function logSoftmax(logits: Float32Array): Float32Array {
  const max = logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  const lse = max + Math.log(sum);
  return logits.map((logit) => logit - lse);
}

function divergence(p: Float32Array, q: Float32Array): number {
  let sum = 0;
  for (const [token, logP] of p.entries()) sum += Math.exp(logP) * (logP - (q[token] ?? -Infinity));
  // Rounding may leave equal distributions a hair below 0.
  return Math.max(0, sum);
}

function argmax(row: Float32Array): number {
  let best = 0;
  for (const [token, value] of row.entries()) if (value > (row[best] ?? 0)) best = token;
  return best;
}
