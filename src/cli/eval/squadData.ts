// SQuAD's development articles: the last four of version 1.1, and the unanswerable questions that 2.0 adds to the same ones.
// The embedded model is never trained on them (training/corpus.py), nor are any others used here.

import { readFile } from "node:fs/promises";
import { UserError } from "../../engine/errors.ts";
import type { EvalTools } from "./evalTools.ts";
import type { GivenPassage } from "./readGiven.ts";

const NUM_ARTICLES = 4;
const VERSION_1 = "squad/squad-v1.1-a.json";
const VERSION_2 = "squad/squad-v2.0-a.json";
/** The files of the data folder that hold them. */
export const SQUAD_FILES = [VERSION_1, VERSION_2] as const;

export interface SquadQuestion {
  readonly text: string;
  /** References; empty where the paragraph does not say. */
  readonly answers: readonly string[];
}

export interface SquadParagraph {
  readonly context: string;
  readonly questions: readonly SquadQuestion[];
}

export interface SquadArticle {
  readonly title: string;
  readonly paragraphs: readonly SquadParagraph[];
}

export interface SquadCase {
  readonly article: SquadArticle;
  readonly paragraph: SquadParagraph;
  readonly question: SquadQuestion;
}

interface SquadFile {
  readonly data: readonly {
    readonly title: string;
    readonly paragraphs: readonly {
      readonly context: string;
      readonly qas: readonly {
        readonly question: string;
        readonly is_impossible?: boolean;
        readonly answers: readonly { readonly text: string }[];
      }[];
    }[];
  }[];
}

/** The development articles. Throws UserError where a file is missing or no SQuAD file. */
export async function readSquad(tools: EvalTools): Promise<SquadArticle[]> {
  const [one, two] = await Promise.all([read(tools, VERSION_1), read(tools, VERSION_2)]);
  return one.data.slice(-NUM_ARTICLES).map(({ title, paragraphs }) => {
    const found = new Map<string, SquadQuestion[]>();
    const add = (context: string, questions: readonly SquadQuestion[]) =>
      found.set(context, [...(found.get(context) ?? []), ...questions]);
    for (const { context, qas } of paragraphs) {
      const questions = qas.map(({ question, answers }) => ({
        text: question.trim(),
        answers: answers.map(({ text }) => text),
      }));
      add(context, questions);
    }
    for (const { context, qas } of two.data.find((a) => a.title === title)?.paragraphs ?? []) {
      const impossible = qas.filter(({ is_impossible }) => is_impossible);
      add(
        context,
        impossible.map(({ question }) => ({ text: question.trim(), answers: [] })),
      );
    }
    return {
      title,
      paragraphs: [...found].map(([context, questions]) => ({ context, questions })),
    };
  });
}

/** The questions with or without an answer, in an order that depends on the seed alone. */
export function squadCases(
  tools: EvalTools,
  articles: readonly SquadArticle[],
  isAnswerable: boolean,
): SquadCase[] {
  const all = articles.flatMap((article) =>
    article.paragraphs.flatMap((paragraph) =>
      paragraph.questions.map((question) => ({ article, paragraph, question })),
    ),
  );
  const wanted = all.filter(({ question }) => question.answers.length > 0 === isAnswerable);
  return tools.random("squad", isAnswerable ? 1 : 0).shuffle(wanted);
}

/** All paragraphs as one Markdown document, a heading an article. */
export function wholeText(articles: readonly SquadArticle[]): string {
  return articles
    .map(({ title, paragraphs }) =>
      [`# ${readable(title)}`, ...paragraphs.map(({ context }) => context.trim())].join("\n\n"),
    )
    .join("\n\n");
}

/** A paragraph as a passage of a file of its own. */
export function passageOf(article: SquadArticle, text: string): GivenPassage {
  const number = article.paragraphs.findIndex(({ context }) => context === text) + 1;
  return { path: `${readable(article.title)}/${number}.md`, text };
}

/** A title without underscores. */
export function readable(title: string): string {
  return title.replaceAll("_", " ");
}

async function read(tools: EvalTools, name: string): Promise<SquadFile> {
  const path = tools.dataFile(name);
  try {
    const file: unknown = JSON.parse(await readFile(path, "utf8"));
    const isSquad = typeof file === "object" && file !== null && "data" in file;
    // Articles are read as SQuAD publishes them; a file without them is no SQuAD file.
    if (isSquad && Array.isArray(file.data)) return file as SquadFile;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UserError(`${path} is no SQuAD file: it has no list of articles under "data".`);
}
