// Cases of suites that make up a document, have it read, and then ask: whoever answers sees the same document.

import type { Answerer } from "./answerers.ts";
import type { EvalTools } from "./evalTools.ts";
import { shareFound } from "./metrics.ts";
import type { Random } from "./random.ts";
import type { Cell, EvalCase, Outcome } from "./suite.ts";

export interface MadeDocument {
  readonly text: string;
  readonly question: string;
  /** What the answer has to hold. */
  readonly expected: readonly string[];
}

export interface DocumentSuite<C extends Cell> {
  readonly id: string;
  readonly answerers: Readonly<Record<string, Answerer>>;
  /** Without numbers. */
  readonly cells: readonly C[];
  /** What the document depends on beside the number: default the whole cell. Cells that agree in it ask about the same document. */
  documentOf?(cell: C): Cell;
  make(cell: C, random: Random): MadeDocument;
}

/** Every answerer's cases; `right` is the share of what was expected. */
export function documentCases<C extends Cell>(
  tools: EvalTools,
  { id, answerers, cells, documentOf, make }: DocumentSuite<C>,
): EvalCase[] {
  // Answerers differ in the model's settings, and changing those loads it anew.
  return Object.entries(answerers).flatMap(([method, answerer]) =>
    cells.flatMap((place) =>
      tools.numbers.map((number): EvalCase => {
        const cell = { ...place, number };
        const run = async (): Promise<Outcome> => {
          const words = [...Object.values(documentOf?.(place) ?? place), number];
          const made = make(place, tools.random(id, ...words));
          const path = await tools.writeDocument(`${[id, ...words].join("-")}/book.txt`, made.text);
          const { answer } = await answerer.answer(tools, path, made.question);
          const { question, expected } = made;
          const scores = { right: shareFound(answer, expected) };
          return { scores, question, answer, expected: expected.join(", ") };
        };
        return { method, cell, run };
      }),
    ),
  );
}
