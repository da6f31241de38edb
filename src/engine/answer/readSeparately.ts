// Reading with a small model that copies a short span: it is lost among several passages, so each of the best ones is read
// alone, and the answers that stand in their passage compete.

import type { RunStats } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import { passageText, type TextPassage } from "./passages.ts";
import type { Reading, ReadingRequest } from "./reading.ts";
import { cutTo, toPrompt } from "./readTogether.ts";
import { runModel, sumStats } from "./runModel.ts";
import type { ScoredPassage } from "./searchIndex.ts";
import { shareOf } from "./terms.ts";
import { citeAnswer, findQuote, quoteAround, type Span } from "./verify.ts";

/** Passages read; the answer was among the first three in nine of ten questions measured. */
const NUM_READ = 4;
const MAX_ANSWER_TOKENS = 48;

export interface Candidate {
  readonly passage: TextPassage;
  /** Where the answer stands. */
  readonly span: Span;
  readonly text: string;
  /** The search's score of the passage, as a share of the best one's. */
  readonly relevance: number;
  /** Share of the question's weight that the sentence around the answer holds. */
  readonly support: number;
}

/** Ask the model over each of the best passages alone; the best-supported answer that stands in its passage wins. */
export async function readSeparately(request: ReadingRequest): Promise<Reading> {
  const candidates: Candidate[] = [];
  const reread: TextPassage[] = [];
  const stats: RunStats[] = [];
  let interruption: Error | undefined;
  for (const passage of request.passages.slice(0, NUM_READ)) {
    try {
      const read = await readOne(request, passage);
      reread.push(read.shown);
      if (read.stats) stats.push(read.stats);
      if (read.candidate) candidates.push(read.candidate);
      interruption = read.interruption;
    } catch (error) {
      // What earlier passages gave is an answer already; it is handed over, marked as partial.
      if (candidates.length === 0 || error instanceof UserError || !(error instanceof Error))
        throw error;
      interruption = error;
    }
    if (interruption) break;
  }
  const best = chooseCandidate(candidates);
  const total = sumStats(stats);
  if (best) request.observer?.token?.(best.text);
  return {
    found: best !== undefined,
    answer: best?.text ?? "",
    citations: best ? [citeAnswer(best.passage, best.span, best.text)] : [],
    reread,
    ...(total && { stats: total }),
    ...(interruption && { interruption }),
    notes: [],
  };
}

/** The candidate whose passage and sentence share most with the question; undefined for none. */
export function chooseCandidate(candidates: readonly Candidate[]): Candidate | undefined {
  const score = ({ relevance, support }: Candidate) => relevance + support;
  return [...candidates].sort((a, b) => score(b) - score(a))[0];
}

async function readOne(request: ReadingRequest, passage: ScoredPassage) {
  const { model, format, question, sampling, observer, signal } = request;
  const maxTokens = Math.min(sampling.maxTokens ?? MAX_ANSWER_TOKENS, MAX_ANSWER_TOKENS);
  const prompt = await format.build(model, {
    question,
    history: request.history,
    passages: [toPrompt(passage)],
    maxTokens: Math.min(model.contextLength, model.trainedContextLength) - maxTokens,
  });
  const shown = cutTo(passage, prompt.passages[0]?.text ?? "");
  const run = await runModel(model, {
    ...sampling,
    prompt: prompt.tokens,
    maxTokens,
    stop: [...format.stop, ...(sampling.stop ?? [])],
    ...(observer && { observer }),
    ...(signal && { signal }),
  });
  const parsed = format.parse(run.text);
  const span = parsed.refused ? undefined : findQuote(passage.document.text, parsed.text, shown);
  const candidate = span && {
    passage: shown,
    span,
    text: parsed.text,
    relevance: passage.score / (request.passages[0]?.score ?? passage.score),
    support: supportOf(request, shown, span),
  };
  return {
    shown,
    ...(candidate && { candidate }),
    ...(run.stats && { stats: run.stats }),
    ...(run.interruption && { interruption: run.interruption }),
  };
}

function supportOf(
  { index, documents, question }: ReadingRequest,
  passage: TextPassage,
  span: Span,
): number {
  const weights = index.termWeights(documents, question);
  const sentence = quoteAround(passage, span);
  const terms = new Set(index.termsOf(passageText({ ...passage, ...sentence })));
  return shareOf(weights, terms);
}
