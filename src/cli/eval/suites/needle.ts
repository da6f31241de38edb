// Needles in a haystack after RULER (arXiv:2404.06654): facts planted in a novel, asked for when it has been read.
// single: one fact, at each depth. multi-key: four facts, one asked for. multi-value: one key with four values, all asked for.
// uuid: a haystack of nothing but needles, UUIDs as keys and values.

import { type Answerer, answerers } from "../answerers.ts";
import type { EvalTools } from "../evalTools.ts";
import { cutProse, cutToTokens, documentTokens, plant, readBook } from "../haystack.ts";
import { shareFound } from "../metrics.ts";
import type { Random } from "../random.ts";
import { type EvalCase, percent, type Suite } from "../suite.ts";
import { someKeys } from "../words.ts";

const NUM_NEEDLES = 4;

interface Haystack {
  readonly text: string;
  readonly question: string;
  readonly expected: readonly string[];
}

interface Site {
  readonly book: string;
  readonly tokens: number;
  /** Percent of the text; where there are several needles, of the one that is asked for. */
  readonly depth: number;
  readonly random: Random;
}

const kinds: Readonly<Record<string, (tools: EvalTools, site: Site) => Haystack>> = {
  single: (tools, site) => buryInProse(tools, site, 1),
  "multi-key": (tools, site) => buryInProse(tools, site, NUM_NEEDLES),
  "multi-value": buryValues,
  uuid: buryAmongNeedles,
};

export const needle: Suite = {
  summary: "Facts planted in a long text, asked for after it has been read (RULER's needles).",
  methods: answerers,
  metrics: { right: percent("right") },
  headline: { method: "ask", metric: "right" },
  tables: [
    {
      title: "Needles found, by length in tokens",
      rows: ["kind", "method"],
      columns: "length",
      metrics: ["right"],
    },
    {
      title: "A single needle, by depth in percent of the text",
      rows: ["method"],
      columns: "depth",
      metrics: ["right"],
      where: { kind: "single" },
    },
  ],
  charts: [
    ...Object.entries(answerers).map(([method, { title }]) => ({
      kind: "heat-map" as const,
      name: `needle-${method}`,
      title: `Single needle found by ${title.replaceAll("`", "")}`,
      metric: "right",
      x: "length",
      y: "depth",
      where: { method, kind: "single" },
    })),
    {
      kind: "lines",
      name: "needle-length",
      title: "Needles found, all kinds",
      metric: "right",
      x: "length",
      y: "method",
    },
  ],
  async cases(tools) {
    const book = await readBook(tools);
    // Answerers differ in the model's settings, and changing those loads it anew.
    return Object.entries<Answerer>(answerers).flatMap(([method, answerer]) =>
      tools.lengths(["1x", "2x", "4x"]).flatMap((length) =>
        Object.entries(kinds).flatMap(([kind, bury]) =>
          depthsOf(tools, kind).flatMap((depth) =>
            tools.numbers.map((number): EvalCase => {
              const cell = { kind, length, depth, number };
              return { method, cell, run: () => runCase(tools, { bury, book, cell, answerer }) };
            }),
          ),
        ),
      ),
    );
  },
};

// The grid is of single needles; the other kinds have theirs anywhere.
function depthsOf(tools: EvalTools, kind: string): readonly (number | "any")[] {
  return kind === "single" ? tools.depths([0, 25, 50, 75, 100]) : ["any"];
}

interface NeedleCase {
  readonly bury: (tools: EvalTools, site: Site) => Haystack;
  readonly book: string;
  readonly cell: {
    readonly kind: string;
    readonly length: number;
    readonly depth: number | "any";
    readonly number: number;
  };
  readonly answerer: Answerer;
}

async function runCase(tools: EvalTools, { bury, book, cell, answerer }: NeedleCase) {
  const { kind, length, depth, number } = cell;
  const random = tools.random("needle", kind, length, depth, number);
  const { text, question, expected } = bury(tools, {
    book,
    tokens: documentTokens(length),
    depth: depth === "any" ? random.integer(0, 100) : depth,
    random,
  });
  const path = await tools.writeDocument(`needle-${kind}-${length}-${depth}-${number}.txt`, text);
  const { answer } = await answerer.answer(tools, path, question);
  const right = shareFound(answer, expected);
  return { scores: { right }, question, answer, expected: expected.join(", ") };
}

function tell(key: string, value: string): string {
  return `One of the special magic numbers for ${key} is: ${value}.`;
}

function askFor(key: string): string {
  return `What is the special magic number for ${key}?`;
}

function buryInProse(tools: EvalTools, { book, tokens, depth, random }: Site, count: number) {
  const keys = someKeys(random, count);
  const values = keys.map(() => `${random.integer(1_000_000, 9_999_999)}`);
  const needles = keys.map((key, i) => tell(key, values[i] ?? ""));
  const room = tokens - tools.model.tokenizer.encode(needles.join(" ")).length;
  let text = cutProse(book, { tokens: room, tokenizer: tools.model.tokenizer, random });
  for (const needle of needles.slice(1)) text = plant(text, needle, random.integer(0, 100));
  return {
    text: plant(text, needles[0] ?? "", depth),
    question: askFor(keys[0] ?? ""),
    expected: values.slice(0, 1),
  };
}

function buryValues(tools: EvalTools, { book, tokens, random }: Site): Haystack {
  const [key = ""] = someKeys(random, 1);
  const values = Array.from({ length: NUM_NEEDLES }, () => `${random.integer(1e6, 9_999_999)}`);
  const needles = values.map((value) => tell(key, value));
  const room = tokens - tools.model.tokenizer.encode(needles.join(" ")).length;
  let text = cutProse(book, { tokens: room, tokenizer: tools.model.tokenizer, random });
  for (const needle of needles) text = plant(text, needle, random.integer(0, 100));
  const question = `What are all the special magic numbers for ${key}?`;
  return { text, question, expected: values };
}

function buryAmongNeedles(tools: EvalTools, { tokens, depth, random }: Site): Haystack {
  const { tokenizer } = tools.model;
  const line = () => `One of the special magic uuids for ${random.uuid()} is: ${random.uuid()}.`;
  const perLine = tokenizer.encode(`${line()}\n`).length;
  const lines = Array.from({ length: Math.ceil((1.2 * tokens) / perLine) }, line);
  const text = cutToTokens(lines.join("\n"), tokens, tokenizer);
  const kept = text.split("\n");
  const asked = kept[Math.round((depth / 100) * (kept.length - 1))] ?? "";
  const [key = "", value = ""] = asked.match(/[0-9a-f-]{36}/g) ?? [];
  const question = `What is the special magic uuid for ${key}?`;
  return { text, question, expected: [value] };
}
