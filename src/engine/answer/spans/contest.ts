// The passages read for one question, side by side: what their spans compete with one another by.

import { passageText } from "../passages.ts";
import type { ScoredPassage } from "../searchIndex.ts";
import { type PassageWords, passageWords } from "./passageWords.ts";
import { type AskedQuestion, askedQuestion, type Competition } from "./spanFeatures.ts";

export interface Contestant<Passage> {
  readonly passage: Passage;
  readonly words: PassageWords;
  readonly competition: Competition;
}

export interface Contest<Passage> {
  readonly asked: AskedQuestion;
  readonly contestants: readonly Contestant<Passage>[];
}

/** The terms of texts and questions, as the search knows them. */
export interface QuestionTerms {
  /** Terms that say what the question is about. */
  readonly question: Iterable<string>;
  readonly termsOf: (text: string) => readonly string[];
}

/**
 * Lay out the words of passages, best first, for a question. Its terms all count alike here: how rare they are in the
 * documents has chosen the passages already, and would weigh them by the size of a corpus.
 */
export function contestOf<Passage extends ScoredPassage>(
  passages: readonly Passage[],
  question: string,
  terms: QuestionTerms,
): Contest<Passage> {
  const weights = new Map(Array.from(terms.question, (term) => [term, 1]));
  const laidOut = passages.map((passage) => ({
    passage,
    words: passageWords(passageText(passage), weights, terms.termsOf),
  }));
  const bestScore = Math.max(...passages.map(({ score }) => score));
  const bestPassage = Math.max(...laidOut.map(({ words }) => words.share));
  const sentences = laidOut.flatMap(({ words }) => words.sentences);
  const bestSentence = Math.max(...sentences.map(({ share }) => share));
  return {
    asked: askedQuestion(question, terms.termsOf),
    contestants: laidOut.map(({ passage, words }) => ({
      passage,
      words,
      competition: { relevance: passage.score / bestScore, bestSentence, bestPassage },
    })),
  };
}
