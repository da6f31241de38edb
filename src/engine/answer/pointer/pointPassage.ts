// The model's pointer in the reading of passages one by one, where the model has one.

import type { RunStats } from "../../../protocol.ts";
import type { ShownPassage } from "../copiedAnswer.ts";
import { passageText } from "../passages.ts";
import type { ReadingRequest } from "../reading.ts";
import { type PointedQuestion, type Pointing, pointInto, readQuestion } from "./pointing.ts";

/** The question as the pointer sees it. Throws StoppedError when the signal fires. */
export async function askPointer({
  model: { pointer, tokenizer },
  question,
  signal,
}: ReadingRequest): Promise<PointedQuestion | undefined> {
  return pointer && readQuestion(pointer, tokenizer, question, signal);
}

/** What the pointer says of a passage, whose prompt the cache then holds, and how long that took. Throws StoppedError. */
export async function point(
  { model: { pointer, tokenizer }, signal }: ReadingRequest,
  { shown, prompt: tokens }: ShownPassage,
  question: PointedQuestion | undefined,
): Promise<{ readonly pointing?: Pointing | undefined; readonly ms: number }> {
  if (!pointer || !question) return { ms: 0 };
  const beganMs = performance.now();
  const prompt = { tokens, text: passageText(shown).trimEnd(), ...(signal && { signal }) };
  const pointing = await pointInto({ pointer, tokenizer }, question, prompt);
  return { pointing, ms: performance.now() - beganMs };
}

/** The stats of a run whose prompt had been read before it began. */
export function begunEarlier(stats: RunStats, ms: number): RunStats {
  const prefillMs = stats.prefillMs + ms;
  return { ...stats, prefillMs, timeToFirstTokenMs: stats.timeToFirstTokenMs + ms };
}

/** A prompt that only the pointer looked at. */
export interface PointedPrompt {
  readonly tokens: number;
  readonly ms: number;
}

/** The stats of an answer for which the pointer looked at other prompts, too. */
export function withPointed(stats: RunStats, prompts: readonly PointedPrompt[]): RunStats {
  const prefillMs = prompts.reduce((sum, { ms }) => sum + ms, stats.prefillMs);
  const promptTokens = prompts.reduce((sum, { tokens }) => sum + tokens, stats.promptTokens);
  const prefillTokensPerSecond = (1000 * promptTokens) / Math.max(1, prefillMs);
  return { ...stats, promptTokens, prefillMs, prefillTokensPerSecond };
}
