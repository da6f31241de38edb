// A question over its own paragraph, as answerability is asked about it: with the span that is likeliest by its words.

import type { AnswerabilityRequest } from "../../src/engine/answer/spans/answerability.ts";
import { contestOf } from "../../src/engine/answer/spans/contest.ts";
import { likeliestUnread } from "../../src/engine/answer/spans/spanSearch.ts";
import type { TrainingQuestion, TrainingSet } from "./trainingQuestions.ts";

export function ownParagraph(
  { paragraph, article, text }: TrainingQuestion,
  { index, paragraphs }: TrainingSet,
): AnswerabilityRequest {
  const passage = { document: paragraph, start: 0, end: paragraph.text.length, score: 1 };
  const termsOf = (words: string) => index.termsOf(words);
  const question = index.termWeights(paragraphs.get(article) ?? [], text).keys();
  const { asked, contestants } = contestOf([passage], text, { question, termsOf });
  const [contestant] = contestants;
  if (!contestant) throw new Error("one passage was given");
  const { words, competition } = contestant;
  const { span } = likeliestUnread({ passage: words, asked, competition });
  const { label } = paragraph;
  return { question: text, passage: words, span, asked, competition, label, termsOf };
}
