// What a span of a passage is weighed by, as an answer to a question: the model's likelihoods, what its sentence shares with
// the question, its shape against the kind of answer asked for, and whether it cuts words that belong together. The
// features follow the linear baseline of SQuAD (Rajpurkar et al. 2016), without a parser.

import { wordsOf } from "../terms.ts";
import { type AnswerKind, expectedAnswer } from "./expectedAnswer.ts";
import type { PassageSentence, PassageWord, PassageWords } from "./passageWords.ts";

/** Words `first` to `last` of a passage, both included. */
export interface WordSpan {
  readonly first: number;
  readonly last: number;
}

/** ln p by the model of the tokens of a span behind its prompt. */
export interface SpanLikelihood {
  /** Of the first token. */
  readonly first: number;
  /** Of the others together, and of the citation behind them; absent where they were not asked for. */
  readonly rest?: number;
  readonly end?: number;
}

export type Features = Record<string, number>;

export interface AskedQuestion {
  readonly kind: AnswerKind;
  /** Terms of the noun behind "what" or "which". */
  readonly head: readonly string[];
  /** Terms of the words behind the question word, which follow the answer in a statement; and of its last word, which precedes it. */
  readonly opening: readonly string[];
  readonly closing: readonly string[];
}

/** What a span competes with: the passages that are read for one question. */
export interface Competition {
  /** The search's score of the span's passage, as a share of the best one's. */
  readonly relevance: number;
  /** The highest shares of the question that a sentence and a passage hold. */
  readonly bestSentence: number;
  readonly bestPassage: number;
}

/** What a question says about its answer. */
export function askedQuestion(
  question: string,
  termsOf: (word: string) => readonly string[],
): AskedQuestion {
  const noun =
    /\b(?:what|which)\s+(?!is\b|are\b|was\b|were\b|do|did\b|has\b|had\b|can\b)([\p{L}-]+)/iu.exec(
      question,
    )?.[1];
  const words = wordsOf(question);
  const asking = words.findIndex((word) => QUESTION_WORD.test(word));
  return {
    kind: expectedAnswer(question),
    head: noun ? wordsOf(noun).flatMap(termsOf) : [],
    opening: words.slice(asking + 1, asking + 1 + NUM_OPENING_WORDS).flatMap(termsOf),
    closing: words.slice(-1).flatMap(termsOf),
  };
}

const UNITS =
  /^(?:million|billion|thousand|hundred|percent|per|years?|miles?|km|kilometres?|kilometers?|people|days?|months?|feet|metres?|meters?|degrees?|dollars|pounds|century)$/i;
const ARTICLE = /^(?:a|an|the)$/i;
const BEFORE_PLACE_OR_TIME = /^(?:in|on|at|near|from|since|until|during|around|to|into|within)$/i;
const BEFORE_REASON = /^(?:because|due|to|since|for|so|as)$/i;
const AUXILIARY =
  /^(?:is|are|was|were|be|been|has|have|had|do|does|did|will|would|can|could|may|might|must|should)$/i;
const RELATIVE = /^(?:which|who|that|whose|where|when|while)$/i;
const QUESTION_WORD = /^(?:who|whom|whose|what|which|when|where|why|how)$/i;
const NUM_OPENING_WORDS = 3;
/** Distance in words at which a term of the question counts half. */
const HALF_DISTANCE = 4;

export interface SpanContext extends AskedQuestion {
  readonly competition: Competition;
  readonly likelihood: SpanLikelihood;
  /** What the model's pointer adds, where it has one: `Pointing.support`. */
  readonly lnPointed?: number | undefined;
}

/** The features of a span; those of the model's likelihood behind the first token only where it is known. */
export function spanFeatures(
  { words, sentences, text, share }: PassageWords,
  span: WordSpan,
  { kind, head, opening, closing, competition, likelihood, lnPointed }: SpanContext,
): Features {
  const inside = words.slice(span.first, span.last + 1);
  const [first] = inside;
  const last = inside.at(-1);
  const sentence = first && sentences[first.sentence];
  if (!first || !last || !sentence) throw new Error("a span has words of a passage");
  const neighbour = (index: number) =>
    words[index]?.sentence === first.sentence ? words[index] : undefined;
  const before = neighbour(span.first - 1);
  const after = neighbour(span.last + 1);
  const gapBefore = text.slice(before?.end ?? sentence.start, first.start);
  const gapAfter = text.slice(last.end, after?.start ?? sentence.end);
  const length = inside.length;
  const shape = shapeOf(inside);
  const features: Features = {
    lnFirst: likelihood.first,
    ...(likelihood.rest !== undefined && { lnRest: likelihood.rest, lnEnd: likelihood.end ?? 0 }),
    ...(lnPointed !== undefined && { lnPointed }),
    relevance: competition.relevance,
    passageBehindBest: competition.bestPassage - share,
    shareBehindBest: competition.bestSentence - sentence.share,
    ...sharedWith(sentence, sentences, span, { first, inside }),
    headInside: count(inside.some(({ terms }) => terms.some((term) => head.includes(term)))),
    headBeside: count(
      [before, after].some((word) => word?.terms.some((term) => head.includes(term))),
    ),
    askedBefore: count((before?.weight ?? 0) > 0),
    askedAfter: count((after?.weight ?? 0) > 0),
    askedSecondBefore: count((neighbour(span.first - 2)?.weight ?? 0) > 0),
    askedSecondAfter: count((neighbour(span.last + 2)?.weight ?? 0) > 0),
    closingBefore: count(before?.terms.some((term) => closing.includes(term))),
    openingAfter: count(after?.terms.some((term) => opening.includes(term))),
    [`words${length < 4 ? length : length < 6 ? "4" : length < 9 ? "6" : "9"}`]: 1,
    cutsName:
      count(first.isCapitalised && before?.isCapitalised && !before.isFirst && gapBefore === " ") +
      count(last.isCapitalised && after?.isCapitalised && gapAfter === " "),
    cutsNumber:
      count(last.isNumeric && after && gapAfter === " " && UNITS.test(after.text)) +
      count(before?.isNumeric && first.isNumeric && gapBefore === " "),
    startsWithFunction: count(first.isFunction && !ARTICLE.test(first.text)),
    startsWithArticle: count(ARTICLE.test(first.text)),
    endsWithFunction: count(last.isFunction),
    startsSentence: count(first.isFirst),
    holdsComma: count(/[,;:]\s/.test(text.slice(first.start, last.end))),
    holdsAnd: count(inside.slice(1, -1).some((word) => /^(?:and|or|but)$/i.test(word.text))),
    holdsAuxiliary: count(inside.some((word) => AUXILIARY.test(word.text))),
    holdsRelative: count(inside.some((word) => RELATIVE.test(word.text))),
    isUnbalanced: count(isUnbalanced(text.slice(first.start, last.end))),
    isQuoted: count(/["“(]$/.test(gapBefore) && /^["”)]/.test(gapAfter)),
    beforePunctuation: count(/^["”)’]*[.,;:!?)]/.test(gapAfter) || !after),
    afterPunctuation: count(/[,;:]\s*$/.test(gapBefore)),
    afterArticle: count(before && ARTICLE.test(before.text)),
    afterOf: count(before && /^of$/i.test(before.text)),
    beforeOf: count(after && /^of$/i.test(after.text)),
    beforeFunction: count(after?.isFunction),
  };
  const shapes: Features = {
    ...shape,
    afterIn: count(before && BEFORE_PLACE_OR_TIME.test(before.text)),
    afterBy: count(before && /^by$/i.test(before.text)),
    afterBecause: count(before && BEFORE_REASON.test(before.text)),
    isLong: count(length >= 5),
  };
  for (const [name, value] of Object.entries(shapes)) features[`${kind}.${name}`] = value;
  return features;
}

// Whether the span repeats the question, and how near the question's words stand to it.
function sharedWith(
  sentence: PassageSentence,
  sentences: readonly PassageSentence[],
  span: WordSpan,
  { first, inside }: { first: PassageWord; inside: readonly PassageWord[] },
): Features {
  const content = inside.filter(({ isFunction }) => !isFunction);
  const repeated = content.filter(({ weight }) => weight > 0).length / Math.max(1, content.length);
  let [outside, near, left] = [0, 0, 0];
  for (const places of sentence.held.values()) {
    const apart = places.filter((place) => place < span.first || place > span.last);
    if (apart.length === 0) continue;
    const distances = apart.map((place) => Math.max(span.first - place, place - span.last));
    const nearest = Math.min(...distances);
    const weight = sentence.share / sentence.held.size;
    outside += weight;
    near += weight / (1 + (nearest - 1) / HALF_DISTANCE);
    left += apart.some((place) => place < span.first) ? weight : 0;
  }
  const beside = Math.max(
    sentences[first.sentence - 1]?.share ?? 0,
    sentences[first.sentence + 1]?.share ?? 0,
  );
  return {
    shareOutside: outside,
    shareNear: near,
    shareLeft: left,
    shareBeside: beside,
    repeats: repeated,
    repeatsWholly: count(repeated === 1),
  };
}

function shapeOf(inside: readonly PassageWord[]): Features {
  const content = inside.filter(({ isFunction }) => !isFunction);
  const isName = content.length > 0 && content.every(({ isCapitalised }) => isCapitalised);
  return {
    isName: count(isName && (inside.length > 1 || !inside[0]?.isFirst)),
    isNumeric: count(inside.some(({ isNumeric }) => isNumeric)),
    isTime: count(inside.some(({ isTime }) => isTime)),
    isLower: count(!inside.some(({ isCapitalised, isNumeric }) => isCapitalised || isNumeric)),
    isEmpty: count(content.length === 0),
  };
}

function isUnbalanced(text: string): boolean {
  const occurrences = (pattern: RegExp) => text.match(pattern)?.length ?? 0;
  return (
    occurrences(/\(/g) !== occurrences(/\)/g) ||
    occurrences(/"/g) % 2 === 1 ||
    occurrences(/“/g) !== occurrences(/”/g)
  );
}

function count(claim: unknown): number {
  return claim ? 1 : 0;
}
