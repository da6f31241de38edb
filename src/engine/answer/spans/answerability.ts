// Whether a passage answers a question at all, by how the question's words stand in it: which are missing near the best span, in
// what order the others follow, whether negations and opposites fit. Questions that look answered but are not were written by
// people (SQuAD 2.0, arXiv:1806.03822); the weights come from those of the training articles. The kind and length of questions
// tell them apart as well, but that is their writers' style: it does not carry over to other articles.

import { isQuestionWord, wordsOf } from "../terms.ts";
import { ANSWERABILITY_BIAS, ANSWERABILITY_WEIGHTS } from "./answerabilityWeights.ts";
import type { PassageWord, PassageWords } from "./passageWords.ts";
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

export interface AnswerabilityRequest {
  readonly question: string;
  readonly passage: PassageWords;
  /** The best span. */
  readonly span: WordSpan;
  readonly asked: AskedQuestion;
  readonly competition: Competition;
  /** Name of the document: what it says is understood in every sentence. */
  readonly label: string;
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
  const { question, passage, span, asked, competition, label, termsOf } = request;
  const { words, sentences, text } = passage;
  const number = words[span.first]?.sentence ?? -1;
  const sentence = sentences[number];
  if (!sentence) throw new Error("a span has words of a passage");
  const own = spanFeatures(passage, span, { ...asked, competition, likelihood: { first: 0 } });
  const topic = new Set(termsOf(label));
  const questionWords = wordsOf(question);
  const content = questionWords.filter(
    (word) => !isQuestionWord(word) && !termsOf(word).some((term) => topic.has(term)),
  );
  const held = sentences.map((_, i) => termsIn(words.filter(({ sentence }) => sentence === i)));
  const inPassage = termsIn(words);
  const heldBy = (terms: ReadonlySet<string>) =>
    content.filter((word) => termsOf(word).some((term) => terms.has(term))).length;
  const shareIn = (terms: ReadonlySet<string>) =>
    content.length === 0 ? 1 : heldBy(terms) / content.length;
  const share = shareIn(inPassage);
  const best = Math.max(...held.map(shareIn));
  const inSentence = held[number] ?? new Set();
  const around = text.slice(sentence.start, sentence.end);
  return {
    passageShare: share,
    sentenceShare: shareIn(inSentence),
    bestShare: best,
    spread: share - best,
    holdsAll: flag(share === 1),
    near: own.shareNear ?? 0,
    repeats: own.repeats ?? 0,
    head: (own.headInside ?? 0) + (own.headBeside ?? 0),
    hasHead: flag(asked.head.length > 0),
    ...missingWords(content, questionWords[0], { inSentence, inPassage, termsOf }),
    ...orderKept(
      questionWords.map((word) => termsOf(word)[0] ?? word),
      words.filter((word) => word.sentence === number).map(({ terms }) => terms[0] ?? ""),
      words.map(({ terms }) => terms[0] ?? ""),
    ),
    ...contradictions(question, around, text),
  };
}

function termsIn(words: readonly PassageWord[]): ReadonlySet<string> {
  return new Set(words.flatMap(({ terms }) => terms));
}

interface Places extends Pick<AnswerabilityRequest, "termsOf"> {
  readonly inSentence: ReadonlySet<string>;
  readonly inPassage: ReadonlySet<string>;
}

// Words of the question that the sentence or the whole passage lacks, by class.
function missingWords(
  content: readonly string[],
  first: string | undefined,
  { inSentence, inPassage, termsOf }: Places,
): Features {
  const counts: Features = {};
  const add = (name: string) => {
    counts[name] = Math.min(MAX_MISSING, (counts[name] ?? 0) + 1);
  };
  for (const word of content) {
    const kind = wordClass(word, word === first);
    const terms = termsOf(word);
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
