// The likeliest answer that stands in a passage: every span of a few words competes. Which spans are worth asking the model
// about is decided by its first token and the words around it; what follows each of those starts is then read side by side
// behind the prompt, which weighs every span that begins there.

import type { Branch, LanguageModel } from "../../languageModel.ts";
import type { Pointing } from "../pointer/pointing.ts";
import { REFUSAL } from "../promptFormats/parseAnswer.ts";
import type { PromptFormat } from "../promptFormats/promptFormat.ts";
import type { Span } from "../verify.ts";
import type { PassageWords } from "./passageWords.ts";
import {
  type AskedQuestion,
  type Competition,
  type Features,
  type SpanLikelihood,
  spanFeatures,
  type WordSpan,
} from "./spanFeatures.ts";
import { SPAN_WEIGHTS } from "./spanWeights.ts";

/** The question that asks for nothing in particular. */
export const UNASKED = "What?";
/** Starts that the model is asked about: so many at most, and of those behind the first ones none so many log-odds behind the best. */
const MAX_STARTS = 8;
const LEAST_STARTS = 6;
const MAX_BEHIND = 4;
/** Best spans that are also weighed under no question in particular. */
const NUM_UNASKED = 5;
const MAX_SPAN_WORDS = 12;
/** Tokens of a span weighed at most. */
const MAX_SPAN_TOKENS = 18;

/** A prompt and what is asked behind it. */
export interface AskedPrompt {
  readonly model: LanguageModel;
  /** One with `answerTokens`. */
  readonly format: PromptFormat;
  readonly prompt: readonly number[];
  readonly asked: AskedQuestion;
  /** Tokens that an answer may take. */
  readonly maxTokens: number;
  readonly signal?: AbortSignal;
}

/** A passage that the prompt shows. */
export interface SearchedPassage {
  readonly passage: PassageWords;
  readonly competition: Competition;
  /** What the model's pointer says of the passage, where it has one. */
  readonly pointing?: Pointing | undefined;
}

export interface SpanRequest extends AskedPrompt, SearchedPassage {
  /** The same prompt with UNASKED for its question; where it is given, what the model would say to anything counts less. */
  readonly unasked?: readonly number[];
}

export interface ScoredSpan extends WordSpan {
  readonly likelihood: SpanLikelihood;
  readonly features: Features;
  /** ln p of all of it by the model, the citation's beginning included. */
  readonly lnP: number;
  readonly numTokens: number;
  /** Log-odds among the spans of all passages, up to a constant. */
  readonly score: number;
}

export interface SpanSearch {
  /** Best first. */
  readonly spans: readonly ScoredSpan[];
  /** ln p of the model's refusal. */
  readonly refusal: number;
  /** ln of the probability that the model gives to the first tokens of the passage's spans together. */
  readonly mass: number;
}

/** The longest span that begins at a word, as a continuation of the prompt. */
interface StartBranch extends Branch {
  readonly start: number;
}

interface WeighedStart extends Pick<StartBranch, "start" | "tokens"> {
  /** ln p of the first token. */
  readonly lnFirst: number;
  /** ln p of the citation behind each token, and of the token that follows it. */
  readonly behind: readonly (readonly number[])[];
}

/** Weigh the spans of a passage as answers. Throws StoppedError when the signal fires. */
export async function searchSpans(request: SpanRequest): Promise<SpanSearch> {
  const [found] = await searchPassages(request, [request]);
  if (found === undefined) throw new Error("a passage has a search of its own");
  const { branches, ...search } = found;
  if (!request.unasked) return search;
  const spans = await lessUnasked(request, request.unasked, { spans: search.spans, branches });
  return { ...search, spans };
}

/** The same for several passages that one prompt shows, which is read for all of them at once; nothing of it is unasked. */
export async function searchPassages(
  asked: AskedPrompt,
  passages: readonly SearchedPassage[],
): Promise<(SpanSearch & { readonly branches: readonly StartBranch[] })[]> {
  const { model, prompt, signal } = asked;
  const options = signal && { signal };
  const encode = answerEncoder(asked);
  const refusal = encode(REFUSAL);
  const searched = passages.map((own) => {
    const firstTokens = own.passage.words.map(({ text }) => encode(text)[0] ?? -1);
    return { request: { ...asked, ...own }, firstTokens };
  });
  const tokens = [
    ...new Set([...searched.flatMap(({ firstTokens }) => firstTokens), refusal[0] ?? -1]),
  ];
  const [found = []] = await model.logProbabilities(prompt, [tokens], options);
  const first = new Map(tokens.map((token, i) => [token, found[i] ?? Number.NEGATIVE_INFINITY]));
  const lnFirst = (token: number | undefined) => first.get(token ?? -1) ?? Number.NEGATIVE_INFINITY;
  const begun = searched.map(({ request, firstTokens }) => {
    const starts = chooseStarts(request, (word) => lnFirst(firstTokens[word]));
    return { request, firstTokens, branches: starts.map((start) => branchOf(request, start)) };
  });
  const behind = { tokens: refusal.slice(0, -1), wanted: refusal.slice(1).map((token) => [token]) };
  const all = [behind, ...begun.flatMap(({ branches }) => branches)];
  const [rest = [], ...ends] = await model.branchLogProbabilities(prompt, all, options);
  const lnRefusal = rest.flat().reduce((sum, value) => sum + value, lnFirst(refusal[0]));
  return begun.map(({ request, firstTokens, branches }) => {
    const own = ends.splice(0, branches.length);
    const spans = branches.flatMap(({ start, tokens: continued }, i) =>
      scoreStart(request, {
        ...{ start, tokens: continued, behind: own[i] ?? [] },
        lnFirst: lnFirst(firstTokens[start]),
      }),
    );
    spans.sort((a, b) => b.score - a.score);
    const mass = firstTokens.reduce((sum, token) => sum + Math.exp(lnFirst(token)), 0);
    return { spans, branches, refusal: lnRefusal, mass: Math.log(mass) };
  });
}

/**
 * The spans with the best ones weighed against their ln p under no question in particular, which is high for what is likely in
 * this passage whatever is asked: pointwise mutual information of question and answer, in part (Holtzman et al., "Surface Form
 * Competition", arXiv:2104.08315).
 */
async function lessUnasked(
  request: SpanRequest,
  prompt: readonly number[],
  found: { readonly spans: readonly ScoredSpan[]; readonly branches: readonly StartBranch[] },
): Promise<ScoredSpan[]> {
  const { model, signal } = request;
  const options = signal && { signal };
  const best = found.spans.slice(0, NUM_UNASKED);
  const branches = found.branches.filter(({ start }) => best.some(({ first }) => first === start));
  const firstTokens = branches.map(({ tokens }) => tokens[0] ?? -1);
  const [lnFirst = []] = await model.logProbabilities(prompt, [firstTokens], options);
  const ends = await model.branchLogProbabilities(prompt, branches, options);
  const weighed = best.map((span) => {
    const number = branches.findIndex(({ start }) => start === span.first);
    const { first, rest, end } = likelihoodOf(span.numTokens, lnFirst[number], ends[number]);
    const features = { ...span.features, lnUnasked: first + rest + end };
    return { ...span, features, score: weigh(features) };
  });
  return [...weighed, ...found.spans.slice(NUM_UNASKED)].sort((a, b) => b.score - a.score);
}

/** A span and its log-odds as far as they are known without the model's likelihoods. */
export interface UnreadSpan {
  readonly span: WordSpan;
  readonly score: number;
}

/**
 * The likeliest span by the words around it and the pointer, where there is one; the first word of a passage that has no
 * better.
 */
export function likeliestUnread(request: SearchedPassage & Pick<AskedPrompt, "asked">): UnreadSpan {
  let best: UnreadSpan = { span: { first: 0, last: 0 }, score: Number.NEGATIVE_INFINITY };
  for (const first of request.passage.words.keys()) {
    for (const span of spansFrom(request.passage, first)) {
      const score = weigh(featuresOf(request, span, { first: 0 }));
      if (score > best.score) best = { span, score };
    }
  }
  return best;
}

/** The words at which the best spans begin, as far as can be said before the model weighs their ends. */
function chooseStarts(
  request: AskedPrompt & SearchedPassage,
  lnFirst: (word: number) => number,
): readonly number[] {
  const { passage } = request;
  const best = passage.words.map((_, start) => {
    const likelihood = { first: lnFirst(start) };
    const scores = spansFrom(passage, start).map((span) =>
      weigh(featuresOf(request, span, likelihood)),
    );
    return { start, score: Math.max(...scores) };
  });
  best.sort((a, b) => b.score - a.score);
  const least = (best[0]?.score ?? 0) - MAX_BEHIND;
  return best
    .slice(0, MAX_STARTS)
    .filter(({ score }, rank) => rank < LEAST_STARTS || score >= least)
    .map(({ start }) => start);
}

/** The tokens of the longest span that begins at a word; behind each, how likely the citation is, and the next one. */
function branchOf(request: AskedPrompt & SearchedPassage, start: number): StartBranch {
  const { passage, maxTokens } = request;
  const encode = answerEncoder(request);
  const word = { first: start, last: start };
  const longest = spansFrom(passage, start).at(-1) ?? word;
  const tokens = encode(spanText(passage, longest)).slice(0, Math.min(MAX_SPAN_TOKENS, maxTokens));
  const marked = encode(`${spanText(passage, word)} [1]`);
  const mark = marked[encode(spanText(passage, word)).length] ?? -1;
  const wanted = tokens.map((_, i) => [mark, ...tokens.slice(i + 1, i + 2)]);
  return { start, tokens, wanted };
}

/** Every span that begins at a word, weighed by what the model says behind the tokens of its branch. */
function scoreStart(
  request: AskedPrompt & SearchedPassage,
  { start, tokens, lnFirst, behind }: WeighedStart,
): ScoredSpan[] {
  const { passage } = request;
  const encode = answerEncoder(request);
  return spansFrom(passage, start).flatMap((span) => {
    const own = encode(spanText(passage, span));
    if (own.length > tokens.length || own.some((token, i) => token !== tokens[i])) return [];
    const likelihood = likelihoodOf(own.length, lnFirst, behind);
    const features = featuresOf(request, span, likelihood);
    const lnP = likelihood.first + likelihood.rest + likelihood.end;
    return [{ ...span, likelihood, features, lnP, numTokens: own.length, score: weigh(features) }];
  });
}

/** The features of a span as far as its likelihood is known. */
function featuresOf(
  { passage, asked, competition, pointing }: SearchedPassage & Pick<AskedPrompt, "asked">,
  span: WordSpan,
  likelihood: SpanLikelihood,
): Features {
  const lnPointed = pointing?.support(spanOffsets(passage, span));
  return spanFeatures(passage, span, { ...asked, competition, likelihood, lnPointed });
}

/** ln p of the first `length` tokens of a branch and of the citation behind them. */
function likelihoodOf(
  length: number,
  first = Number.NEGATIVE_INFINITY,
  behind: readonly (readonly number[])[] = [],
) {
  const between = behind.slice(0, length - 1);
  return {
    first,
    rest: between.reduce((sum, [, next = 0]) => sum + next, 0),
    end: behind[length - 1]?.[0] ?? Number.NEGATIVE_INFINITY,
  };
}

function answerEncoder({ format, model }: AskedPrompt): (text: string) => number[] {
  const { answerTokens } = format;
  if (!answerTokens) throw new Error(`the prompt format ${format.id} has no spans for answers`);
  return (text) => answerTokens(model.tokenizer, text);
}

/** Where a span stands in its passage's text. */
export function spanOffsets({ words }: PassageWords, { first, last }: WordSpan): Span {
  const [start, end] = [words[first]?.start, words[last]?.end];
  if (start === undefined || end === undefined) throw new Error("a span has words of a passage");
  return { start, end };
}

/** The text of a span on one line, as the model was taught to write it. */
export function spanText(passage: PassageWords, span: WordSpan): string {
  const { start, end } = spanOffsets(passage, span);
  return passage.text.slice(start, end).replace(/\s+/g, " ");
}

/** Spans of a passage that begin at a word: they end within its sentence. */
export function spansFrom({ words }: PassageWords, first: number): WordSpan[] {
  const spans: WordSpan[] = [];
  for (let last = first; last < first + MAX_SPAN_WORDS; last++) {
    if (words[last]?.sentence !== words[first]?.sentence) break;
    spans.push({ first, last });
  }
  return spans;
}

function weigh(features: Features): number {
  return Object.entries(features).reduce(
    (sum, [name, value]) => sum + (SPAN_WEIGHTS[name] ?? 0) * value,
    0,
  );
}
