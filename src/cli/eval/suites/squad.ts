// SQuAD's development questions (arXiv:1606.05250): over their own paragraph, among three others, and over all paragraphs of
// the development articles as one document.

import type { Reading } from "../../../engine/answer/reading.ts";
import { answerers } from "../answerers.ts";
import type { EvalTools } from "../evalTools.ts";
import { exactMatch, f1 } from "../metrics.ts";
import type { Random } from "../random.ts";
import { type GivenPassage, readGiven } from "../readGiven.ts";
import {
  passageOf,
  readSquad,
  SQUAD_FILES,
  type SquadArticle,
  type SquadCase,
  squadCases,
  wholeText,
} from "../squadData.ts";
import { type EvalCase, type Outcome, percent, type Suite } from "../suite.ts";

const NUM_DISTRACTORS = 3;
/** Distractors of the question's own article; the rest are of any. */
const NUM_OWN_DISTRACTORS = 2;

const openBook = {
  ask: answerers.ask,
  search: answerers.search,
  window: answerers.window,
  truncation: answerers.truncation,
} as const;

export const squad: Suite = {
  summary: "SQuAD's development questions: gold paragraph, with distractors, and open book.",
  data: SQUAD_FILES,
  methods: {
    reader: { title: "the reader, may refuse" },
    "must-answer": { title: "the reader, refusing no choice" },
    ...openBook,
  },
  metrics: {
    f1: percent("F1"),
    em: percent("exact match"),
    citation: percent("right citation"),
    refused: percent("wrongly refused", "lower"),
  },
  headline: { method: "ask", metric: "f1" },
  tables: [
    {
      title: `SQuAD, development articles (gold: the question's own paragraph; distractors: with ${NUM_DISTRACTORS} others; open-book: all of them as one document)`,
      rows: ["passages", "method"],
      metrics: ["f1", "em", "citation", "refused"],
    },
  ],
  charts: [],
  async cases(tools) {
    const articles = await readSquad(tools);
    const cases = squadCases(tools, articles, true).slice(0, tools.numCases);
    const book = await tools.writeDocument("squad.md", wholeText(articles));
    return [
      ...given(tools, cases, "gold", () => []),
      ...given(tools, cases, "distractors", (of, random) => distractors(of, articles, random)),
      // One after the other, so that a prompt's beginning that questions share is read once.
      ...Object.entries(openBook).flatMap(([method, { answer }]) =>
        cases.map((of, number): EvalCase => {
          const run = async () => {
            const answered = await answer(tools, book, of.question.text);
            return score(of, answered, isCited(of, answered.citations));
          };
          return { method, cell: { passages: "open-book", number }, run };
        }),
      ),
    ];
  },
};

// Cells in which the passages are given: with the reader's refusals, without them, and searched without a model.
function given(
  tools: EvalTools,
  cases: readonly SquadCase[],
  passages: string,
  others: (of: SquadCase, random: Random) => readonly GivenPassage[],
): EvalCase[] {
  return cases.flatMap((of, number) => {
    const cell = { passages, number };
    const random = tools.random("squad", passages, number);
    const shown = random.shuffle([
      passageOf(of.article, of.paragraph.context),
      ...others(of, random),
    ]);
    const { text: question } = of.question;
    const read = (mustAnswer: boolean) =>
      readGiven(tools, { question, passages: shown, mustAnswer });
    const scored = ({ found, answer, citations }: Reading) =>
      score(of, { found, answer }, isCited(of, citations));
    let first: Reading | undefined;
    return [
      {
        method: "reader",
        cell,
        run: async () => {
          first = await read(false);
          return scored(first);
        },
      },
      {
        method: "must-answer",
        cell,
        // What was answered of its own accord is answered under compulsion, too; quotes and refusals are not.
        run: async () => scored(first && isAnswered(first) ? first : await read(true)),
      },
      {
        method: "search",
        cell,
        run: async () => {
          const text = shown.map((passage) => passage.text).join("\n\n");
          const path = await tools.writeDocument(`squad/${shown.length}-${number}.txt`, text);
          const answered = await answerers.search.answer(tools, path, question);
          return score(of, answered, isCited(of, answered.citations));
        },
      },
    ];
  });
}

function isAnswered({ found, citations: [first] }: Reading): boolean {
  return found && first?.origin === "answer";
}

function distractors(
  { article, paragraph }: SquadCase,
  articles: readonly SquadArticle[],
  random: Random,
): GivenPassage[] {
  const others = article.paragraphs.filter((other) => other !== paragraph);
  const own = random
    .sample(others, NUM_OWN_DISTRACTORS)
    .map(({ context }) => ({ article, context }));
  const rest = articles
    .filter((other) => other !== article)
    .flatMap((other) => other.paragraphs.map(({ context }) => ({ article: other, context })));
  const foreign = random.sample(rest, NUM_DISTRACTORS - own.length);
  return [...own, ...foreign].map((found) => passageOf(found.article, found.context));
}

// Right is a citation whose quote stands in the question's own paragraph.
function isCited({ paragraph }: SquadCase, citations: readonly { readonly quote: string }[]) {
  const fold = (text: string) => text.replaceAll(/\s+/g, " ").trim();
  const [first] = citations;
  return first !== undefined && fold(paragraph.context).includes(fold(first.quote));
}

function score(
  { question }: SquadCase,
  { found, answer }: { readonly found: boolean; readonly answer: string },
  isRightlyCited: boolean,
): Outcome {
  const text = found ? answer : "";
  return {
    scores: {
      f1: f1(text, question.answers),
      em: exactMatch(text, question.answers),
      citation: isRightlyCited ? 1 : 0,
      refused: found ? 0 : 1,
    },
    question: question.text,
    answer,
    expected: question.answers[0] ?? "",
  };
}
