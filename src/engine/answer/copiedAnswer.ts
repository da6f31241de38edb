// What a model that copies spans says of one passage, greedily, and where that stands.

import { DeviceLostError } from "../errors.ts";
import type { TextPassage } from "./passages.ts";
import { REFUSAL } from "./promptFormats/parseAnswer.ts";
import type { ParsedAnswer } from "./promptFormats/promptFormat.ts";
import type { ReadingRequest } from "./reading.ts";
import { type ModelRun, runModel } from "./runModel.ts";
import { findQuote, type Span } from "./verify.ts";

const MAX_ANSWER_TOKENS = 48;

export interface PlacedAnswer {
  readonly text: string;
  readonly span: Span;
}

/** A passage and the prompt that shows it. */
export interface ShownPassage {
  readonly shown: TextPassage;
  readonly prompt: readonly number[];
  /** The prompt with no question in particular, where spans compete. */
  readonly unasked?: readonly number[];
}

/** Tokens that an answer may take. */
export function answerLimit({ sampling }: ReadingRequest): number {
  return Math.min(sampling.maxTokens ?? MAX_ANSWER_TOKENS, MAX_ANSWER_TOKENS);
}

/** Run the model on a passage; `placed` is absent where it refuses or says what does not stand there. */
export async function copyAnswer(
  request: ReadingRequest,
  { shown, prompt }: ShownPassage,
): Promise<{ readonly run: ModelRun; readonly placed: PlacedAnswer | undefined }> {
  const { model, format, sampling, observer, signal } = request;
  const run = await runModel(model, {
    ...sampling,
    prompt,
    maxTokens: answerLimit(request),
    stop: [...format.stop, ...(sampling.stop ?? [])],
    ...(observer && { observer }),
    ...(signal && { signal }),
  });
  // A few words shown to nobody: asking again on a new device gives the whole answer.
  if (run.interruption instanceof DeviceLostError) throw run.interruption;
  return { run, placed: placeAnswer(shown, format.parse(run.text), run) };
}

// Where the answer stands in its passage, and its words there; undefined where it refuses or does not.
function placeAnswer(
  shown: TextPassage,
  { text, refused }: ParsedAnswer,
  run: ModelRun,
): PlacedAnswer | undefined {
  const isBroken = run.isCut || run.interruption;
  if (refused || (isBroken && REFUSAL.startsWith(text.toLowerCase()))) return undefined;
  const source = shown.document.text;
  const span = findQuote(source, text, shown);
  if (span) {
    // "Starbuck's" is a piece of "Starbuck's boat": the name is the answer.
    const owner = text.replace(/(?<=\p{L})['’]s$/u, "");
    const isOwned =
      owner !== text && /^[ \t]*\n?[ \t]*[\p{L}\p{N}]/u.test(source.slice(span.end, span.end + 80));
    return isOwned
      ? { text: owner, span: { start: span.start, end: span.end - (text.length - owner.length) } }
      : { text, span };
  }
  // A run that broke off may have done so within a word.
  const whole = isBroken ? text.replace(/\s*\S*$/, "") : "";
  const wholeSpan = findQuote(source, whole, shown);
  return wholeSpan && { text: whole, span: wholeSpan };
}
