// Whether a passage answers a question at all, by how the question's words stand in it: which are missing near the best span, in
// what order the others follow, whether negations and opposites fit, and what kind of question it is. Questions that look
// answered but are not were written by people (SQuAD 2.0, arXiv:1806.03822); the weights come from those of the training articles.

import { isQuestionWord, wordsOf } from "../terms.ts";
import { ANSWERABILITY_BIAS, ANSWERABILITY_WEIGHTS } from "./answerabilityWeights.ts";
import type { PassageWords } from "./passageWords.ts";
import {
  type AskedQuestion,
  type Competition,
  type Features,
  spanFeatures,
  type WordSpan,
} from "./spanFeatures.ts";

const NEGATION =
  /\b(?:not|never|no|without|except|least|fail(?:ed|s)?|cannot|unable|neither|nobody|none|nothing|refuse[ds]?|un\p{L}{4,}|\p{L}+n['’]t)\b/iu;
const RANK =
  /\b(?:first|last|only|most|least|best|worst|largest|smallest|highest|lowest|oldest|newest|earliest|latest|final|originally|original|main|primary|second|third)\b/gi;
const OPPOSITES: readonly (readonly [RegExp, RegExp])[] = [
  [/\bbefore\b/i, /\bafter\b/i],
  [/\bmore\b/i, /\b(?:less|fewer)\b/i],
  [/\bincreas/i, /\b(?:decreas|reduc|lower)/i],
  [/\bnorth/i, /\bsouth/i],
  [/\beast/i, /\bwest/i],
  [/\bhigh/i, /\blow/i],
  [/\blarge/i, /\bsmall/i],
  [/\b(?:win|won)\b/i, /\b(?:lost|lose|loss)\b/i],
  [/\b(?:begin|began|start)/i, /\bend(?:ed|s)?\b/i],
  [/\b(?:male|men)\b/i, /\b(?:female|women)\b/i],
  [/\brich/i, /\bpoor/i],
  [/\bold/i, /\b(?:new|young)/i],
  [/\b(?:allow|permit)/i, /\b(?:prohibit|ban|forbid)/i],
  [/\baccept/i, /\b(?:reject|refus)/i],
  [/\bpublic/i, /\bprivate/i],
];
/** Words of one class that are missing count up to this many. */
const MAX_MISSING = 3;
/** Openings of questions that tell answerable ones from others. */
const OPENINGS = ["what", "who", "when", "where", "which", "how", "why", "in", "the"];
const SPAN_SHAPES = ["isName", "isNumeric", "isTime", "isLower", "isLong", "afterIn", "afterBy"];

export interface AnswerabilityRequest {
  readonly question: string;
  readonly passage: PassageWords;
  /** The best span. */
  readonly span: WordSpan;
  readonly asked: AskedQuestion;
  readonly competition: Competition;
  readonly termsOf: (text: string) => readonly string[];
}

/** Log-odds that the passage answers the question, from its words alone. */
export function answerability(request: AnswerabilityRequest): number {
  return Object.entries(answerabilityFeatures(request)).reduce(
    (sum, [name, value]) => sum + (ANSWERABILITY_WEIGHTS[name] ?? 0) * value,
    ANSWERABILITY_BIAS,
  );
}

/** What the log-odds are weighed by; names that are absent count as 0. */
export function answerabilityFeatures(request: AnswerabilityRequest): Features {
  const { question, passage, span, asked, competition, termsOf } = request;
  const { words, sentences, text, share } = passage;
  const number = words[span.first]?.sentence ?? -1;
  const sentence = sentences[number];
  if (!sentence) throw new Error("a span has words of a passage");
  const own = spanFeatures(passage, span, { ...asked, competition, likelihood: { first: 0 } });
  const best = Math.max(...sentences.map((other) => other.share));
  const around = text.slice(sentence.start, sentence.end);
  const inSentence = words.filter((word) => word.sentence === number);
  const questionWords = wordsOf(question);
  const content = questionWords.filter((word) => !isQuestionWord(word));
  const features: Features = {
    [`asks.${asked.kind}`]: 1,
    passageShare: share,
    sentenceShare: sentence.share,
    bestShare: best,
    spread: share - best,
    holdsAll: flag(share === 1),
    near: own.shareNear ?? 0,
    repeats: own.repeats ?? 0,
    head: (own.headInside ?? 0) + (own.headBeside ?? 0),
    hasHead: flag(asked.head.length > 0),
    contentWords: content.length / 8,
    questionWords: questionWords.length / 12,
    sentenceLength: (sentence.end - sentence.start) / 200,
    ...missingWords(questionWords, passage, { number, termsOf }),
    ...orderKept(
      questionWords.map((word) => termsOf(word)[0] ?? word),
      inSentence.map(({ terms }) => terms[0] ?? ""),
      words.map(({ terms }) => terms[0] ?? ""),
    ),
    ...contradictions(question, around, text),
  };
  for (const shape of SPAN_SHAPES) {
    const name = `${asked.kind}.${shape}`;
    features[name] = own[name] ?? 0;
  }
  const opening = questionWords[0]?.toLowerCase() ?? "";
  if (OPENINGS.includes(opening)) features[`opens.${opening}`] = 1;
  return features;
}

// Words of the question that the sentence or the whole passage lacks, by class.
function missingWords(
  questionWords: readonly string[],
  { words }: PassageWords,
  { number, termsOf }: { number: number } & Pick<AnswerabilityRequest, "termsOf">,
): Features {
  const inPassage = new Set(words.flatMap(({ terms }) => terms));
  const inSentence = new Set(
    words.flatMap(({ terms, sentence }) => (sentence === number ? terms : [])),
  );
  const counts: Features = {};
  const add = (name: string) => {
    counts[name] = Math.min(MAX_MISSING, (counts[name] ?? 0) + 1);
  };
  for (const [i, word] of questionWords.entries()) {
    if (isQuestionWord(word)) continue;
    const kind = wordClass(word, i === 0);
    const terms = termsOf(word);
    counts[`has.${kind}`] = 1;
    if (!terms.some((term) => inSentence.has(term))) {
      add("sentenceLacks");
      add(`sentenceLacks.${kind}`);
      counts[`sentenceLacksAny.${kind}`] = 1;
    }
    if (!terms.some((term) => inPassage.has(term))) {
      add("passageLacks");
      add(`passageLacks.${kind}`);
      counts[`passageLacksAny.${kind}`] = 1;
    }
  }
  return counts;
}

// By its shape alone; endings tell most verbs and adjectives of English.
function wordClass(word: string, isFirst: boolean): string {
  if (/\d/.test(word)) return "number";
  if (/^\p{Lu}/u.test(word) && !isFirst) return "name";
  if (/(?:ed|ing|ize|ise|ate)$/.test(word)) return "verb";
  if (/ly$/.test(word)) return "adverb";
  if (/(?:al|ic|ive|ous|ful|able|ible|less|ant|ent|ary)$/.test(word)) return "adjective";
  return word.endsWith("s") ? "plural" : "other";
}

// Neighbours of the question that stay neighbours, and its longest subsequence in the sentence.
function orderKept(
  question: readonly string[],
  sentence: readonly string[],
  passage: readonly string[],
): Features {
  const pairs = (terms: readonly string[]) =>
    terms.slice(1).map((term, i) => `${terms[i]} ${term}`);
  const asked = pairs(question);
  const share = (held: ReadonlySet<string>) =>
    asked.filter((pair) => held.has(pair)).length / Math.max(1, asked.length);
  return {
    pairsInSentence: share(new Set(pairs(sentence))),
    pairsInPassage: share(new Set(pairs(passage))),
    subsequence: longestCommonSubsequence(question, sentence) / Math.max(1, question.length),
  };
}

function longestCommonSubsequence(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const item of a) {
    const next = [0];
    for (const [j, other] of b.entries()) {
      const extended = item === other ? (row[j] ?? 0) + 1 : 0;
      next.push(Math.max(extended, row[j + 1] ?? 0, next[j] ?? 0));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

function contradictions(question: string, sentence: string, passage: string): Features {
  const isNegated = NEGATION.test(question);
  const ranks = question.match(RANK) ?? [];
  const lower = sentence.toLowerCase();
  const turned = (text: string) =>
    OPPOSITES.some(([a, b]) =>
      [
        [a, b],
        [b, a],
      ].some(([asked, told]) => asked?.test(question) && !asked.test(text) && told?.test(text)),
    );
  return {
    isNegated: flag(isNegated),
    negatedOnlyThere: flag(!isNegated && NEGATION.test(sentence)),
    negatedOnlyHere: flag(isNegated && !NEGATION.test(sentence)),
    asksForRank: flag(ranks.length > 0),
    lacksRank: flag(ranks.some((rank) => !lower.includes(rank.toLowerCase()))),
    oppositeInSentence: flag(turned(sentence)),
    oppositeInPassage: flag(turned(passage)),
  };
}

function flag(claim: boolean): number {
  return claim ? 1 : 0;
}
