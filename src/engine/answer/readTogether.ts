// Reading with a model that follows instructions: all passages that fit, in document order, one streamed answer whose
// quotes are looked up in the passages.

import type { Citation, Passage } from "../../protocol.ts";
import { passageText, placeOf, type TextPassage } from "./passages.ts";
import type { ParsedAnswer } from "./promptFormats/promptFormat.ts";
import type { Reading, ReadingRequest } from "./reading.ts";
import { ReasoningFilter } from "./reasoning.ts";
import { cutNotes, runModel } from "./runModel.ts";
import type { ScoredPassage } from "./searchIndex.ts";
import { splitSentences } from "./sentences.ts";
import { promptRoom, showPassages } from "./showPassages.ts";
import { citeAnswer, citePassage, findQuote } from "./verify.ts";

/** Passages beyond this cost time and distract more than they add. */
const MAX_PROMPT_TOKENS = 4096;
const MAX_ANSWER_TOKENS = 512;
/** A shorter quote proves nothing: it stands anywhere. */
const MIN_QUOTE_LENGTH = 4;
const MAX_JOINED_LENGTH = 3000;

export type AnswerRequest = Pick<
  ReadingRequest,
  "model" | "format" | "sampling" | "observer" | "signal"
>;

export interface AnswerPrompt {
  readonly prompt: readonly number[];
  /** Citation n is of read[n − 1]. */
  readonly read: readonly TextPassage[];
  readonly maxTokens: number;
}

/** Ask the model once over all passages that fit its budget. */
export async function readTogether(request: ReadingRequest): Promise<Reading> {
  const maxTokens = request.sampling.maxTokens ?? MAX_ANSWER_TOKENS;
  const room = promptRoom(request, maxTokens);
  const candidates = joinNeighbours(inDocumentOrder(request)).map((source) => ({
    source,
    shown: toPrompt(source),
  }));
  const prompt = await showPassages(request, {
    answerTokens: maxTokens,
    passages: candidates.map(({ shown }) => shown),
    maxTokens: Math.max(Math.min(room, MAX_PROMPT_TOKENS), 64),
  });
  const read = prompt.passages.flatMap((shown) => {
    const match = candidates.find((candidate) => isPartOf(shown, candidate.shown));
    return match ? [cutTo(match.source, shown.text)] : [];
  });
  return answerPrompt(request, { prompt: prompt.tokens, read, maxTokens });
}

/** Run the model on a prompt over the passages `read`, stream what it says, and look its words up in them. */
export async function answerPrompt(
  { model, format, sampling, observer, signal }: AnswerRequest,
  { prompt, read, maxTokens }: AnswerPrompt,
): Promise<Reading> {
  const filter = new ReasoningFilter();
  const run = await runModel(model, {
    ...sampling,
    prompt,
    maxTokens,
    stop: [...format.stop, ...(sampling.stop ?? [])],
    ...(observer && { observer }),
    ...(signal && { signal }),
    onText: (text) => {
      const visible = filter.push(text);
      if (visible !== "") observer?.token?.(visible);
    },
  });
  const rest = filter.flush();
  if (rest !== "") observer?.token?.(rest);
  const parsed = format.parse(run.text);
  const found = !parsed.refused && parsed.text !== "";
  const citations = found ? cite(parsed, read) : [];
  const isChecked = citations.some((citation) => citation.verified);
  return {
    found,
    answer: parsed.text,
    citations,
    reread: read,
    ...(run.stats && { stats: run.stats }),
    ...(run.interruption && { interruption: run.interruption }),
    notes: [
      ...(found ? cutNotes(run) : []),
      ...(found && !isChecked
        ? ["None of this answer's words could be found in the passages."]
        : []),
    ],
  };
}

function inDocumentOrder({ passages, documents }: ReadingRequest): ScoredPassage[] {
  const order = new Map(documents.map((document, i) => [document, i]));
  const rank = (passage: ScoredPassage) => order.get(passage.document) ?? 0;
  return [...passages].sort((a, b) => rank(a) - rank(b) || a.start - b.start);
}

// Passages that follow one another are shown as one, so that a sentence is not torn.
function joinNeighbours(passages: readonly ScoredPassage[]): ScoredPassage[] {
  const joined: ScoredPassage[] = [];
  for (const passage of passages) {
    const last = joined.at(-1);
    const isNext =
      last?.document === passage.document &&
      passage.end - last.start <= MAX_JOINED_LENGTH &&
      passage.document.text.slice(last.end, passage.start).trim() === "";
    if (last && isNext) {
      joined[joined.length - 1] = {
        ...last,
        end: passage.end,
        score: Math.max(last.score, passage.score),
      };
    } else joined.push(passage);
  }
  return joined;
}

/** A passage as prompts show it: under its label, which says less about the machine and costs fewer tokens than a path. */
export function toPrompt(passage: ScoredPassage): Passage {
  const { heading: _, ...place } = placeOf(passage);
  return {
    ...place,
    path: passage.document.label,
    score: passage.score,
    text: passageText(passage),
  };
}

/** The passage, as far as `text`, its beginning, goes. */
export function cutTo(passage: TextPassage, text: string): TextPassage {
  return { ...passage, end: Math.min(passage.end, passage.start + text.length) };
}

function isPartOf(shown: Passage, whole: Passage): boolean {
  return (
    shown.path === whole.path &&
    shown.startLine === whole.startLine &&
    whole.text.startsWith(shown.text)
  );
}

// Quotes first; then whole sentences of the answer that stand in a cited passage; else the cited passages are shown, unverified.
function cite(parsed: ParsedAnswer, read: readonly TextPassage[]): Citation[] {
  const cited = parsed.cited.flatMap((number) => read[number - 1] ?? []);
  const citations: Citation[] = [];
  for (const quote of parsed.quotes) {
    const named = quote.passage === undefined ? undefined : read[quote.passage - 1];
    const citation = citeText(quote.text, named ? [named, ...read] : read);
    if (citation) citations.push(citation);
  }
  for (const sentence of splitSentences(parsed.text)) {
    const text = parsed.text.slice(sentence.start, sentence.end).replace(/[.!?]$/, "");
    const citation = citeText(text, cited);
    if (citation) citations.push(citation);
  }
  if (citations.length === 0) {
    for (const passage of cited) citations.push(citePassage(passage, firstSentence(passage)));
  }
  return withoutRepeats(citations);
}

function citeText(text: string, passages: readonly TextPassage[]): Citation | undefined {
  if (text.length < MIN_QUOTE_LENGTH) return undefined;
  for (const passage of passages) {
    const span = findQuote(passage.document.text, text, passage);
    if (span) return citeAnswer(passage, span, text);
  }
  return undefined;
}

function firstSentence(passage: TextPassage) {
  const [first] = splitSentences(passageText(passage));
  return { start: passage.start, end: first ? passage.start + first.end : passage.end };
}

function withoutRepeats(citations: readonly Citation[]): Citation[] {
  const seen = new Set<string>();
  return citations.filter((citation) => {
    const key = `${citation.path}:${citation.startLine}:${citation.quote}`;
    return !seen.has(key) && seen.add(key);
  });
}
