// One run of a model as the answer pipeline needs it: text so far, stats, and what ended it.

import type { Observer, RunStats, SamplingSettings } from "../../protocol.ts";
import { DeviceLostError, StoppedError } from "../errors.ts";
import type { LanguageModel } from "../languageModel.ts";
import { ProgressMeter } from "../progress.ts";

export interface ModelRun {
  readonly text: string;
  readonly tokens: readonly number[];
  /** Absent when the run did not reach its end. */
  readonly stats?: RunStats;
  /** Why the run ended early. */
  readonly interruption?: Interruption;
  /** The model had more to say than it was allowed tokens. */
  readonly isCut?: boolean;
}

export interface RunRequest extends SamplingSettings {
  readonly prompt: readonly number[];
  readonly observer?: Observer;
  readonly signal?: AbortSignal;
  /** Called with each new piece of text. */
  readonly onText?: (text: string) => void;
}

/**
 * Generate to the end. A run that breaks off behind its first text returns that text with the reason; one that breaks
 * off before throws it.
 */
export async function runModel(model: LanguageModel, request: RunRequest): Promise<ModelRun> {
  const { observer, onText, ...settings } = request;
  const prefill = new ProgressMeter(observer, "prefill", "tokens");
  const decode = new ProgressMeter(observer, "decode", "tokens");
  const generation = model.generate({
    ...settings,
    onPrefill: (done, total) => prefill.report(done, total),
  });
  let text = "";
  const tokens: number[] = [];
  try {
    for (;;) {
      const next = await generation.next();
      if (next.done) {
        const isCut = tokens.length === settings.maxTokens;
        return { text, tokens, stats: next.value, ...(isCut && { isCut }) };
      }
      text += next.value.text;
      if (next.value.token !== undefined) tokens.push(next.value.token);
      onText?.(next.value.text);
      decode.report(tokens.length, settings.maxTokens ?? 0);
    }
  } catch (error) {
    if (text === "" || !isInterruption(error)) throw error;
    return { text, tokens, interruption: error };
  }
}

/** Work was stopped by the user, or its device was lost. */
export type Interruption = StoppedError | DeviceLostError;

/** True where work broke off that was fine so far; false for bad input, and for failures of the engine, which come again. */
export function isInterruption(error: unknown): error is Interruption {
  return error instanceof StoppedError || error instanceof DeviceLostError;
}

/** What the user is told of work that broke off. That it was stopped, who stopped it knows. */
export function interruptionNotes(interruption: Interruption): string[] {
  if (interruption instanceof StoppedError) return [];
  return [`The engine was lost before the end of the answer: ${interruption.message}`];
}

/** What the user is told of an answer that was cut. */
export function cutNotes({ isCut, tokens }: ModelRun): string[] {
  return isCut ? [`The answer was cut off after ${tokens.length} tokens.`] : [];
}

/** The stats of several runs for one answer: sums, and rates over them. Undefined for none. */
export function sumStats(runs: readonly RunStats[]): RunStats | undefined {
  const [first] = runs;
  const last = runs.at(-1);
  if (!first || !last) return undefined;
  const sum = (of: (run: RunStats) => number) => runs.reduce((total, run) => total + of(run), 0);
  const rate = (tokens: number, ms: number) => (ms > 0 ? (tokens / ms) * 1000 : 0);
  const promptTokens = sum((run) => run.promptTokens);
  const prefillMs = sum((run) => run.prefillMs);
  const decodeMs = sum((run) => run.decodeMs);
  // Each run's own rate knows which of its tokens were decoded; weigh the rates by time.
  const decoded = sum((run) => (run.decodeTokensPerSecond * run.decodeMs) / 1000);
  return {
    ...last,
    promptTokens,
    generatedTokens: sum((run) => run.generatedTokens),
    prefillMs,
    decodeMs,
    prefillTokensPerSecond: rate(promptTokens, prefillMs),
    decodeTokensPerSecond: rate(decoded, decodeMs),
    timeToFirstTokenMs: first.timeToFirstTokenMs,
  };
}
