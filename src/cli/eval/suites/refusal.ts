// Whether the product knows what it does not know: SQuAD 2.0's unanswerable questions (arXiv:1806.03822), answerable ones, and
// questions about another article, on the development articles.

import { answerers } from "../answerers.ts";
import type { EvalTools } from "../evalTools.ts";
import { readGiven } from "../readGiven.ts";
import {
  passageOf,
  readable,
  readSquad,
  SQUAD_FILES,
  type SquadArticle,
  type SquadCase,
  squadCases,
  wholeText,
} from "../squadData.ts";
import { type EvalCase, percent, type Suite } from "../suite.ts";

type Kind = "unanswerable" | "answerable" | "elsewhere";

export const refusal: Suite = {
  summary: "Unanswerable questions recognised, answerable ones wrongly refused.",
  data: SQUAD_FILES,
  methods: {
    reader: { title: "the reader, over the paragraph" },
    ask: { title: "`ask`, over the article" },
    search: { title: "search without a model, over the article", isBaseline: true },
    always: { title: "refusing always", isBaseline: true },
  },
  metrics: {
    decided: percent("right decision (chance: 50 %)"),
    recognised: percent("unanswerable recognised"),
    refused: percent("answerable wrongly refused", "lower"),
    elsewhere: percent("question about another article refused"),
  },
  headline: { method: "reader", metric: "decided" },
  tables: [
    {
      title: "Refusals, SQuAD 2.0's questions over the development articles",
      rows: ["method"],
      metrics: ["decided", "recognised", "refused", "elsewhere"],
      // One can be had for the other: only the decision counts.
      compared: ["decided"],
    },
  ],
  charts: [],
  async cases(tools) {
    const articles = await readSquad(tools);
    const numCases = (cases: readonly SquadCase[]) => cases.slice(0, tools.numCases);
    const answerable = numCases(squadCases(tools, articles, true));
    const unanswerable = numCases(squadCases(tools, articles, false));
    const elsewhere = answerable.map((of, number) => moved(tools, articles, of, number));
    return [
      ...casesOf(tools, "unanswerable", unanswerable),
      ...casesOf(tools, "answerable", answerable),
      ...casesOf(tools, "elsewhere", elsewhere),
    ];
  },
};

// The question over a paragraph of another article, which cannot answer it.
function moved(
  tools: EvalTools,
  articles: readonly SquadArticle[],
  { article, question }: SquadCase,
  number: number,
): SquadCase {
  const random = tools.random("refusal", number);
  const other = random.choice(articles.filter((candidate) => candidate !== article));
  return { article: other, paragraph: random.choice(other.paragraphs), question };
}

function casesOf(tools: EvalTools, kind: Kind, cases: readonly SquadCase[]): EvalCase[] {
  return cases.flatMap((of, number) => {
    const question = of.question.text;
    const over = async (id: "ask" | "search") => {
      const name = `refusal/${readable(of.article.title)}.md`;
      const path = await tools.writeDocument(name, wholeText([of.article]));
      return answerers[id].answer(tools, path, question);
    };
    const ways = {
      reader: () => {
        const passages = [passageOf(of.article, of.paragraph.context)];
        return readGiven(tools, { question, passages, mustAnswer: false });
      },
      ask: () => over("ask"),
      search: () => over("search"),
      always: async () => ({ found: false, answer: "" }),
    };
    return Object.entries(ways).map(([method, answer]): EvalCase => {
      const run = async () => {
        const { found, answer: text } = await answer();
        return { scores: scoresOf(kind, !found), question, answer: text };
      };
      return { method, cell: { question: kind, number }, run };
    });
  });
}

function scoresOf(kind: Kind, hasRefused: boolean): Record<string, number> {
  const refused = hasRefused ? 1 : 0;
  if (kind === "elsewhere") return { elsewhere: refused };
  if (kind === "unanswerable") return { recognised: refused, decided: refused };
  return { refused, decided: 1 - refused };
}
