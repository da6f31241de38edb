// How well a model predicts prose under given settings: the mean −ln p of the last quarter of a text, so that every scored
// token has a long text behind it.

import type { ModelSettings } from "../../protocol.ts";
import type { EvalTools } from "./evalTools.ts";
import type { Random } from "./random.ts";

export interface ScoredText {
  readonly book: string;
  /** Tokens, the beginning-of-text token included. */
  readonly length: number;
  readonly random: Random;
  readonly settings: ModelSettings;
}

/** Tokens of the book from a random place on. */
export function bookTokens(
  { model: { tokenizer } }: EvalTools,
  { book, length, random }: Omit<ScoredText, "settings">,
): number[] {
  const longest = Math.min(book.length, 8 * length);
  const start = random.integer(0, book.length - longest);
  const text = book.slice(start, start + longest);
  return tokenizer.encode(text, { addSpecial: true }).slice(0, length);
}

/** Mean −ln p in nats of the last quarter of a text of the book. */
export async function textLoss(tools: EvalTools, scored: ScoredText): Promise<number> {
  const tokens = bookTokens(tools, scored);
  const { engine, work } = tools;
  const first = Math.floor(0.75 * tokens.length);
  const wanted = tokens.slice(first).map((token) => [token]);
  const settings = { ...tools.settings, ...scored.settings };
  const found = await engine.use(settings, work, ({ model }) =>
    model.logProbabilities(tokens.slice(0, -1), wanted, { signal: work.signal }),
  );
  return -found.reduce((sum, [logP = 0]) => sum + logP, 0) / found.length;
}
