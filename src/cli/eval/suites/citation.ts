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
const MAX_TRIES = 1000;
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
    const text = await readFile(path, "utf8");
    const verses = versesOf(text);
    const wordy = verses.filter(({ text }) => text.split(" ").length > NUM_WORDS + 4);
    if (wordy.length === 0)
      throw new UserError(`${path} holds no verses such as "1:1 In the beginning": see --data.`);
    const chosen = tools.numbers.map((number) => chooseVerse(tools, number, { wordy, text }));
    return Object.entries(methods).flatMap(([method, { answer }]) =>
      Object.entries(kinds).flatMap(([kind, ask]) =>
        chosen.map(({ verse, words }, number): EvalCase => {
          const question = ask(verse, words);
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

// A verse and a run of its words that stands nowhere else.
function chooseVerse(
  tools: EvalTools,
  number: number,
  { wordy, text }: { readonly wordy: readonly Verse[]; readonly text: string },
): { verse: Verse; words: string } {
  const random = tools.random("citation", number);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const verse = random.choice(wordy);
    const all = verse.text.split(" ");
    const start = random.integer(1, all.length - NUM_WORDS - 1);
    const run = all.slice(start, start + NUM_WORDS).join(" ");
    const words = run.replace(/[,;:.?!]$/, "");
    if (text.indexOf(words) === text.lastIndexOf(words)) return { verse, words };
  }
  throw new UserError("The verses repeat one another too much to ask for one: see --data.");
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
