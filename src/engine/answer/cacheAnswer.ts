// Answering from a cache that holds whole documents: from it alone, or as evidence beside a search.

import type { Answer, AskParams, Skipped } from "../../protocol.ts";
import type { SourceDocument } from "../documents/document.ts";
import { StoppedError } from "../errors.ts";
import type { CacheEvidence } from "./answerQuestion.ts";
import { bestCacheSpan, passagesToWeigh } from "./cacheSpans.ts";
import { type KeptReading, type KeptWork, originText } from "./keptReading.ts";
import { passageText, placeOf, type TextPassage } from "./passages.ts";
import type { Reading } from "./reading.ts";
import { answerPrompt } from "./readTogether.ts";
import { type RecalledPassage, recalledPassages } from "./recalledPassages.ts";
import { interruptionNotes, isInterruption } from "./runModel.ts";
import { samplingOf } from "./sampling.ts";
import { citeAnswer, findQuote } from "./verify.ts";
import type { WholeReading } from "./wholeReading.ts";

/** A shorter answer may stand anywhere by chance: then only the passage it cites counts. */
const MIN_SEARCHED_LENGTH = 8;

interface CacheWork {
  readonly kept: KeptReading;
  readonly work: KeptWork;
}

/** What is told where recall was asked for and no policy was named: a text that fits is kept whole. */
export const KEPT_WHOLE_NOTE =
  "The text fits and would be kept whole: nothing is evicted that could come back, so the cache was not asked.";

/** The passages that the cache recalls for a question. */
export async function cacheEvidence(
  question: string,
  reading: WholeReading,
  { kept, work }: CacheWork,
): Promise<CacheEvidence> {
  const { tokensKept, tokensRead, policy } = kept.stats.cache;
  const passages = await recallPassages(await reading.promptFor(question), reading, { kept, work });
  const recalled =
    passages.length > 0
      ? `its question brought most back from ${placeText(passages[0])}`
      : "nothing came back for the question";
  const notes = [
    `The cache was asked as well: ${originText(kept)}, policy ${policy}; ${recalled}.`,
    ...(kept.problem ? [kept.problem] : []),
  ];
  return { passages, shareKept: tokensKept / Math.max(1, tokensRead), notes };
}

function placeText(recalled: RecalledPassage | undefined): string {
  if (!recalled) return "nowhere";
  const { path, startLine, endLine } = placeOf(recalled.passage);
  return `${path}:${startLine}-${endLine}`;
}

/** Answer from the cache alone, and leave it as it was saved. */
export async function answerFromCache(
  params: AskParams,
  reading: WholeReading,
  { kept, work, skipped }: CacheWork & { readonly skipped: readonly Skipped[] },
): Promise<Answer> {
  const { cache } = kept.stats;
  try {
    const { answered, isChosen } = await readCache(params, reading, { kept, work });
    const { found, interruption } = answered;
    const citations = found ? withFoundText(answered, work.documents) : [];
    const isChecked = citations.some(({ verified }) => verified);
    return {
      found,
      answer: found ? answered.answer : "The cache holds no answer to this.",
      ...(found && reading.format.instruct && { markdown: true }),
      citations,
      coverage: {
        tokensTotal: cache.tokensRead,
        tokensSearched: 0,
        tokensInCache: Math.round(cache.tokensKept),
        tokensReread: 0,
        skipped,
      },
      ...(answered.stats && { stats: answered.stats }),
      ...(interruption && { partial: true }),
      notes: [
        `Answered from the cache alone: ${originText(kept)}, policy ${cache.policy}.`,
        ...(isChosen ? ["The likeliest words of the passages that the cache points to."] : []),
        ...(kept.problem ? [kept.problem] : []),
        ...(params.history?.length ? ["Earlier turns were left out."] : []),
        ...(found && !isChecked ? ["None of this answer's words could be found in the text."] : []),
        ...(interruption instanceof StoppedError ? ["Stopped before the end."] : []),
        ...(interruption ? interruptionNotes(interruption) : []),
      ],
    };
  } finally {
    const { trunk } = kept;
    if (!work.opened.isLost && trunk.isIntact) trunk.reset();
  }
}

/** What the model says with the documents in its cache: the likeliest span where it was taught to copy spans, else its own words. */
async function readCache(
  params: AskParams,
  reading: WholeReading,
  { kept, work }: CacheWork,
): Promise<{ answered: Reading; isChosen: boolean }> {
  const { opened, observer, signal } = work;
  const { format } = reading;
  const sampling = samplingOf(params);
  const prompt = await reading.promptFor(params.question);
  const maxTokens = sampling.maxTokens ?? reading.maxAnswerTokens;
  const { recall, tokensEvicted = 0 } = kept.stats.cache;
  // Each span is a branch: what was evicted without recall would have to be read again for every one.
  const isChosen =
    format.answerTokens !== undefined && (recall !== undefined || tokensEvicted === 0);
  const { token: _, ...quiet } = observer;
  const answered = await answerPrompt(
    { model: opened.model, format, sampling, observer: isChosen ? quiet : observer, signal },
    { prompt, read: reading.passages, maxTokens },
  );
  if (!isChosen || answered.interruption) return { answered, isChosen: false };
  try {
    const recalled = await recallPassages(prompt, reading, { kept, work });
    const passages = passagesToWeigh(passagesOf(answered, reading.passages), recalled);
    const request = { ...{ model: opened.model, format, prompt, passages, maxTokens, signal } };
    const best = await bestCacheSpan({ ...request, question: params.question });
    if (!best) return { answered: { ...answered, found: false, citations: [] }, isChosen: true };
    observer.token?.(best.text);
    const citations = [citeAnswer(best.passage, best.span, best.text)];
    return { answered: { ...answered, found: true, answer: best.text, citations }, isChosen: true };
  } catch (error) {
    if (!isInterruption(error)) throw error;
    return { answered: { ...answered, interruption: error }, isChosen: false };
  }
}

/** The passages that the cache recalls for a prompt, most recalled first; none where nothing was evicted. */
async function recallPassages(
  prompt: readonly number[],
  { prefix, passages }: WholeReading,
  { kept, work }: CacheWork,
): Promise<RecalledPassage[]> {
  const weights = await kept.keeper.recall(prompt, { signal: work.signal });
  const { tokenizer } = work.opened.model;
  return recalledPassages({ tokens: prefix, passages }, weights, tokenizer);
}

/** The passages that an answer cites or whose words it has. */
function passagesOf(
  { answer, citations }: Reading,
  passages: readonly TextPassage[],
): TextPassage[] {
  const cited = passages.filter((passage) => {
    const { path, startLine, endLine } = placeOf(passage);
    return citations.some(
      (citation) =>
        citation.path === path && citation.startLine >= startLine && citation.endLine <= endLine,
    );
  });
  const quoting = passages.filter(
    (passage) =>
      !cited.includes(passage) && answer !== "" && findQuote(passageText(passage), answer),
  );
  return [...cited, ...quoting];
}

// A cache forgets which number a passage had before it forgets its words.
function withFoundText(
  { answer, citations }: Pick<Answer, "answer" | "citations">,
  documents: readonly SourceDocument[],
): Answer["citations"] {
  const text = answer.replace(/[.!?]$/, "");
  if (citations.some(({ verified }) => verified) || text.length < MIN_SEARCHED_LENGTH)
    return citations;
  for (const document of documents) {
    const span = findQuote(document.text, text);
    if (!span) continue;
    const passage = { document, start: 0, end: document.text.length };
    return [citeAnswer(passage, span, text)];
  }
  return citations;
}
