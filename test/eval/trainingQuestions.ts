// SQuAD's training articles (arXiv:1606.05250) as the fits need them. The last four articles of each file are never fitted on; those
// of version 1.1 are the development set, for what is reported at the end.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SearchIndex } from "../../src/engine/answer/searchIndex.ts";
import { createDocument, type SourceDocument } from "../../src/engine/documents/document.ts";
import { plainText } from "../../src/engine/documents/plainText.ts";
import { random } from "../support/random.ts";

const FILES = ["squad-v1.1-a.json", "squad-v2.0-a.json"];
const NUM_DEVELOPMENT_ARTICLES = 4;

export interface TrainingQuestion {
  readonly article: string;
  /** The paragraph that it was asked about. */
  readonly paragraph: SourceDocument;
  readonly text: string;
  /** References; none where the paragraph does not say. */
  readonly answers: readonly string[];
}

export interface TrainingSet {
  /** In an order of their own, the same each time. */
  readonly questions: readonly TrainingQuestion[];
  /** The paragraphs of each article, each a document. */
  readonly paragraphs: ReadonlyMap<string, readonly SourceDocument[]>;
  /** Over all paragraphs. */
  readonly index: SearchIndex;
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

/** Read the training articles of `folder`: answerable questions of version 1.1, unanswerable ones of 2.0. */
export function readTrainingSet(folder: string): Promise<TrainingSet> {
  return readSet(folder, (title, lastFour) => !lastFour.some((titles) => titles.has(title)));
}

/** Read the development articles: likewise, never to fit on. */
export function readDevelopmentSet(folder: string): Promise<TrainingSet> {
  return readSet(folder, (title, [first]) => first?.has(title) === true);
}

async function readSet(
  folder: string,
  isWanted: (title: string, lastFour: readonly ReadonlySet<string>[]) => boolean,
): Promise<TrainingSet> {
  // The files are SQuAD's own, whose shape is fixed.
  const files = FILES.map(
    (name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as SquadFile,
  );
  const lastFour = files.map(
    ({ data }) => new Set(data.slice(-NUM_DEVELOPMENT_ARTICLES).map(({ title }) => title)),
  );
  const paragraphs = new Map<string, Map<string, SourceDocument>>();
  const questions: TrainingQuestion[] = [];
  for (const [version, { data }] of files.entries()) {
    for (const article of data.filter(({ title }) => isWanted(title, lastFour))) {
      const own = paragraphs.get(article.title) ?? new Map<string, SourceDocument>();
      paragraphs.set(article.title, own);
      for (const { context, qas } of article.paragraphs) {
        const paragraph =
          own.get(context) ?? documentOf(`${article.title}/${own.size}.md`, context);
        own.set(context, paragraph);
        const wanted = qas.filter((qa) => (version === 0 ? true : qa.is_impossible));
        for (const { question, answers, is_impossible } of wanted) {
          const texts = is_impossible ? [] : answers.map(({ text }) => text);
          questions.push({
            article: article.title,
            paragraph,
            text: question.trim(),
            answers: texts,
          });
        }
      }
    }
  }
  const index = new SearchIndex();
  const documents = [...paragraphs.values()].flatMap((own) => [...own.values()]);
  await index.add(documents);
  return {
    questions: shuffle(questions, 7),
    paragraphs: new Map([...paragraphs].map(([title, own]) => [title, [...own.values()]])),
    index,
  };
}

function documentOf(path: string, text: string): SourceDocument {
  return createDocument(
    { path, label: path },
    { id: "text", kind: "prose" },
    plainText.readText(text),
  );
}

function shuffle<T>(items: readonly T[], seed: number): T[] {
  const draw = random(seed);
  const order = items.map((item) => ({ item, at: draw() }));
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item);
}
