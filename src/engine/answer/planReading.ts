// Which passages a model that reads them one by one is shown, and as what prompts.

import { answerLimit, type ShownPassage } from "./copiedAnswer.ts";
import { passageText } from "./passages.ts";
import type { PointedQuestion } from "./pointer/pointing.ts";
import { askPointer } from "./pointer/pointPassage.ts";
import { NoRoomError } from "./promptFormats/fitPassages.ts";
import type { ReadingRequest } from "./reading.ts";
import { cutTo, toPrompt } from "./readTogether.ts";
import type { ScoredPassage } from "./searchIndex.ts";
import { splitSentences } from "./sentences.ts";
import { showPassages } from "./showPassages.ts";
import { type Contest, contestOf } from "./spans/contest.ts";
import { UNASKED } from "./spans/spanSearch.ts";
import { HAS_DENSE, shareOf } from "./terms.ts";

/** Passages read; in 98 of 100 questions measured the answer stood in one of the first three. */
const NUM_READ = 3;
const ASKS_FOR_SENTENCE =
  /\b(?:quote|sentences?|verbatim|exact words|word for word|lines?|list all|list the)\b/i;

/** Passages to read, with their prompts; `contest` where their spans compete. */
export interface ReadingPlan {
  readonly passages: readonly PlannedPassage[];
  readonly contest?: Contest<PlannedPassage>;
  /** Where they do, as the model's pointer sees it. */
  readonly question?: PointedQuestion | undefined;
}

export interface PlannedPassage extends ShownPassage, ScoredPassage {}

/**
 * What is shown of each passage that fits, and whether their spans compete: prose is read whole for that. Throws StoppedError, and
 * NoRoomError where none fits.
 */
export async function planReading(
  request: ReadingRequest,
  weights: ReadonlyMap<string, number>,
): Promise<ReadingPlan> {
  const { question, passages, index } = request;
  const isSearched =
    request.format.answerTokens !== undefined &&
    !ASKS_FOR_SENTENCE.test(question) &&
    !HAS_DENSE.test(question) &&
    passages[0]?.document.kind !== "code";
  const chosen = isSearched ? passages.slice(0, NUM_READ) : toRead(request, weights);
  const planned: PlannedPassage[] = [];
  let unshown: NoRoomError | undefined;
  for (const passage of chosen) {
    try {
      planned.push(await show(request, passage, isSearched));
    } catch (error) {
      if (!(error instanceof NoRoomError)) throw error;
      unshown ??= error;
    }
  }
  if (unshown && planned.length === 0) throw unshown;
  if (!isSearched) return { passages: planned };
  const terms = { question: weights.keys(), termsOf: (text: string) => index.termsOf(text) };
  const contest = contestOf(planned, question, terms);
  return { passages: planned, contest, question: await askPointer(request) };
}

async function show(
  request: ReadingRequest,
  passage: ScoredPassage,
  isSearched: boolean,
): Promise<PlannedPassage> {
  const answerTokens = answerLimit(request);
  const build = (asked: string, shown: ScoredPassage) =>
    showPassages({ ...request, question: asked }, { passages: [toPrompt(shown)], answerTokens });
  const prompt = await build(request.question, passage);
  const shown = cutTo(passage, prompt.passages[0]?.text ?? "");
  const planned = { ...passage, end: shown.end, shown, prompt: prompt.tokens };
  // Cut alike, so that both begin with the same tokens.
  return isSearched ? { ...planned, unasked: (await build(UNASKED, planned)).tokens } : planned;
}

// The best passage whole, and of each of the first ones the sentences around the one that shares most with the question.
function toRead(
  { passages, index }: ReadingRequest,
  weights: ReadonlyMap<string, number>,
): ScoredPassage[] {
  const best = passages.slice(0, NUM_READ);
  return best.flatMap((passage, rank) => {
    const window = narrow(passage, (text) => shareOf(weights, new Set(index.termsOf(text))));
    const isWhole = window.start === passage.start && window.end === passage.end;
    return rank === 0 && !isWhole ? [passage, window] : [window];
  });
}

// A small model reads three sentences better than ten. Code has no sentences.
function narrow(passage: ScoredPassage, shareOfText: (text: string) => number): ScoredPassage {
  if (passage.document.kind === "code") return passage;
  const text = passageText(passage);
  const sentences = splitSentences(text);
  const shares = sentences.map(({ start, end }) => shareOfText(text.slice(start, end)));
  const center = shares.indexOf(Math.max(...shares));
  const first = sentences[Math.max(0, center - 1)];
  const last = sentences[Math.min(sentences.length - 1, center + 1)];
  if (!first || !last) return passage;
  return { ...passage, start: passage.start + first.start, end: passage.start + last.end };
}
