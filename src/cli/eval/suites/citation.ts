// Verses of the King James Bible, the whole of it as one document: is the cited address the right one, is the quote exact.
// words: a run of words of a verse, without quotation marks. quoted: the same within them. reference: its book, chapter and verse.

import { readFile } from "node:fs/promises";
import { UserError } from "../../../engine/errors.ts";
import type { Citation } from "../../../protocol.ts";
import { someAnswerers } from "../answerers.ts";
import type { EvalTools } from "../evalTools.ts";
import { type EvalCase, type Outcome, percent, type Suite } from "../suite.ts";

const BIBLE = "texts/kjv.txt";
/** Words of a verse that a question holds. */
const NUM_WORDS = 8;
/** A shorter quote may stand anywhere. */
const MIN_QUOTE = 12;

interface Verse {
  /** `Genesis 1:1` */
  readonly reference: string;
  readonly text: string;
  /** 1-based line of the file. */
  readonly line: number;
}

const methods = someAnswerers(["ask", "window", "search"]);

const kinds: Readonly<Record<string, (verse: Verse, words: string) => string>> = {
  words: (_, words) => `Which verse says that ${words}?`,
  quoted: (_, words) => `Where does it say “${words}”?`,
  reference: ({ reference }) => `What is written in ${reference}?`,
};

export const citation: Suite = {
  summary: "Verses of the King James Bible: right address, exact quote.",
  data: [BIBLE],
  methods,
  metrics: { address: percent("right address"), quote: percent("exact quote of the verse") },
  headline: { method: "ask", metric: "address" },
  tables: [
    {
      title: "Citations of verses, the whole Bible as one document",
      rows: ["question", "method"],
      metrics: ["address", "quote"],
    },
  ],
  charts: [],
  async cases(tools) {
    const path = tools.dataFile(BIBLE);
    const verses = versesOf(await readFile(path, "utf8"));
    const wordy = verses.filter(({ text }) => text.split(" ").length > NUM_WORDS + 4);
    if (wordy.length === 0)
      throw new UserError(`${path} holds no verses such as "1:1 In the beginning": see --data.`);
    const chosen = tools.numbers.map((number) => tools.random("citation", number).choice(wordy));
    return Object.entries(methods).flatMap(([method, { answer }]) =>
      Object.entries(kinds).flatMap(([kind, ask]) =>
        chosen.map((verse, number): EvalCase => {
          const question = ask(verse, someWords(tools, verse, number));
          const run = async (): Promise<Outcome> => {
            const answered = await answer(tools, path, question);
            const expected = `${verse.reference} (line ${verse.line})`;
            return {
              scores: scoresOf(verse, answered.citations),
              ...{ question, answer: answered.answer, expected },
            };
          };
          return { method, cell: { question: kind, number }, run };
        }),
      ),
    );
  },
};

/** Verses stand a line each, `chapter:verse` in front, below the name of their book. */
function versesOf(text: string): Verse[] {
  let book = "";
  return text.split(/\r?\n/).flatMap((line, i) => {
    const [, place, words] = /^(\d+:\d+) (.+)$/.exec(line) ?? [];
    if (place !== undefined && words !== undefined)
      return [{ reference: `${book} ${place}`, text: words, line: i + 1 }];
    if (line.trim() !== "") book = line.trim();
    return [];
  });
}

function someWords(tools: EvalTools, { text }: Verse, number: number): string {
  const words = text.split(" ");
  const start = tools.random("words", number).integer(1, words.length - NUM_WORDS - 1);
  return words
    .slice(start, start + NUM_WORDS)
    .join(" ")
    .replace(/[,;:.?!]$/, "");
}

function scoresOf({ text, line }: Verse, citations: readonly Citation[]): Record<string, number> {
  const [first] = citations;
  if (!first) return { address: 0, quote: 0 };
  const fold = (words: string) => words.replaceAll(/\s+/g, " ").trim();
  // A citation of a whole passage would hold the verse and say little.
  const isRight =
    first.startLine <= line && line <= first.endLine && first.endLine - first.startLine < 3;
  const quote = fold(first.quote).replace(/^\d+:\d+ /, "");
  const isExact = quote.length >= MIN_QUOTE && fold(text).includes(quote);
  return { address: isRight ? 1 : 0, quote: isExact ? 1 : 0 };
}
