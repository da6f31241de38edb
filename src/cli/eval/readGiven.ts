// The product's reader on given passages, without the search that would choose them.

import { choosePromptFormat } from "../../engine/answer/promptFormats/index.ts";
import type { Reading } from "../../engine/answer/reading.ts";
import { readSeparately } from "../../engine/answer/readSeparately.ts";
import { readTogether } from "../../engine/answer/readTogether.ts";
import { SearchIndex } from "../../engine/answer/searchIndex.ts";
import { createDocument } from "../../engine/documents/document.ts";
import { plainText } from "../../engine/documents/plainText.ts";
import type { EvalTools } from "./evalTools.ts";

export interface GivenPassage {
  /** The path that the model is shown. */
  readonly path: string;
  readonly text: string;
}

export interface GivenQuestion {
  readonly question: string;
  readonly passages: readonly GivenPassage[];
  /** Refusing is no choice: the likeliest answer counts, however unlikely. */
  readonly mustAnswer: boolean;
}

/**
 * Read every passage whole; their order is that of the search among them alone, as `ask` would have it. Citations name
 * the passages' paths.
 */
export async function readGiven(
  { engine, settings, work }: EvalTools,
  { question, passages, mustAnswer }: GivenQuestion,
): Promise<Reading> {
  const documents = passages.map(({ path, text }) =>
    createDocument({ path, label: path }, { id: "text", kind: "prose" }, plainText.readText(text)),
  );
  const index = new SearchIndex();
  await index.add(documents, work);
  const scores = new Map(
    index
      .search(documents, { text: question }, Number.POSITIVE_INFINITY)
      .reverse()
      .map(({ document, score }) => [document, score]),
  );
  const whole = documents
    .map((document) => ({
      ...{ document, start: 0, end: document.text.length },
      // A passage that shares no word is read all the same, behind the others.
      score: scores.get(document) ?? Number.EPSILON,
    }))
    .sort((a, b) => b.score - a.score);
  return engine.use(settings, work, ({ model }) => {
    const format = choosePromptFormat(model.metadata);
    const read = format.instruct ? readTogether : readSeparately;
    return read({
      ...{ question, history: [], passages: whole, documents, index, model, format },
      sampling: { temperature: 0 },
      ...(mustAnswer && { mustAnswer }),
      ...work,
    });
  });
}
