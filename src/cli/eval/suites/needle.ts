// Needles in a haystack after RULER (arXiv:2404.06654): facts planted in a novel, asked for when it has been read.
// single: one fact, at each depth. shared: a fact at every depth of one document, each asked for in turn. multi-key: four facts, one asked for. multi-value: one key with four values, all asked for.
// uuid: a haystack of nothing but needles, UUIDs as keys and values.

import type { Tokenizer } from "../../../engine/tokenizer/tokenizer.ts";
import { answerers } from "../answerers.ts";
import { documentCases, type MadeDocument } from "../documentCases.ts";
import { BOOK, cutProse, cutToTokens, documentTokens, plant, readBook } from "../haystack.ts";
import type { Random } from "../random.ts";
import { type Cell, percent, type Suite } from "../suite.ts";
import { someKeys } from "../words.ts";

const NUM_NEEDLES = 4;
/** Kinds with a case at every depth; the others have their needles anywhere. */
const ON_GRID: ReadonlySet<string> = new Set(["single", "shared"]);

interface NeedleCell extends Cell {
  readonly kind: string;
  readonly length: number;
  /** Where needles of the same document stand. */
  readonly beside?: string;
  /** Percent of the text; absent where the needle may stand anywhere. */
  readonly depth?: number;
}

interface Site {
  readonly book: string;
  readonly tokens: number;
  readonly tokenizer: Tokenizer;
  /** Percent of the text; where there are several needles, of the one that is asked for. */
  readonly depth: number;
  /** Every depth of the grid. */
  readonly depths: readonly number[];
  readonly random: Random;
}

const kinds: Readonly<Record<string, (site: Site) => MadeDocument>> = {
  single: (site) => buryKeys(site, 1),
  shared: buryAtEveryDepth,
  "multi-key": (site) => buryKeys(site, NUM_NEEDLES),
  "multi-value": buryValues,
  uuid: buryAmongNeedles,
};

export const needle: Suite = {
  summary: "Facts planted in a long text, asked for after it has been read (RULER's needles).",
  data: [BOOK],
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
      title: "Needles found, by depth in percent of the text",
      rows: ["kind", "method"],
      columns: "depth",
      metrics: ["right"],
    },
  ],
  charts: [
    ...Object.entries(answerers).map(([method, { title }]) => ({
      kind: "heat-map" as const,
      name: `needle-${method}`,
      title: `Needles found: ${title.replaceAll("`", "")}`,
      metric: "right",
      x: "length",
      y: "depth",
      where: { method },
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
    const { tokenizer } = tools.model;
    const depths = tools.depths([0, 25, 50, 75, 100]);
    const cells = tools.lengths(["1x", "2x", "4x"], book).flatMap((length) =>
      Object.keys(kinds).flatMap((kind): NeedleCell[] => {
        if (!ON_GRID.has(kind)) return [{ kind, length }];
        const others = kind === "shared" ? { beside: depths.join("-") } : {};
        return depths.map((depth) => ({ kind, length, ...others, depth }));
      }),
    );
    return documentCases(tools, {
      id: "needle",
      answerers,
      cells,
      documentOf: ({ depth, ...cell }) =>
        cell.kind === "shared" || depth === undefined ? cell : { ...cell, depth },
      make({ kind, length, depth }, random) {
        const bury = kinds[kind];
        if (!bury) throw new Error(`there is no kind ${kind}`);
        const site = { book, tokens: documentTokens(length), tokenizer, random, depths };
        return bury({ ...site, depth: depth ?? random.integer(0, 100) });
      },
    });
  },
};

function buryKeys(site: Site, count: number): MadeDocument {
  const { depth, random } = site;
  const keys = someKeys(random, count);
  const needles = keys.map((key) => ({ key, value: number(random) }));
  const depths = needles.map((_, i) => (i === 0 ? depth : random.integer(0, 100)));
  const [asked] = needles;
  return {
    text: bury(site, needles.map(tell), depths),
    question: `What is the special magic number for ${asked?.key}?`,
    expected: needles.slice(0, 1).map(({ value }) => value),
  };
}

// The document is the same whichever depth is asked about: it is read once and asked often.
function buryAtEveryDepth(site: Site): MadeDocument {
  const { depth, depths, random } = site;
  const keys = someKeys(random, depths.length);
  const needles = keys.map((key) => ({ key, value: number(random) }));
  const text = bury(site, needles.map(tell), depths);
  const asked = needles[depths.indexOf(depth)];
  const question = `What is the special magic number for ${asked?.key}?`;
  return { text, question, expected: asked ? [asked.value] : [] };
}

function buryValues(site: Site): MadeDocument {
  const { random } = site;
  const [key = ""] = someKeys(random, 1);
  const values = Array.from({ length: NUM_NEEDLES }, () => number(random));
  const needles = values.map((value) => tell({ key, value }));
  const depths = needles.map(() => random.integer(0, 100));
  const question = `What are all the special magic numbers for ${key}?`;
  return { text: bury(site, needles, depths), question, expected: values };
}

function buryAmongNeedles({ tokens, tokenizer, depth, random }: Site): MadeDocument {
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

/** Prose of the wanted length with the needles at their depths; the first one planted last, so that it stands exactly there. */
function bury(
  { book, tokens, tokenizer, random }: Site,
  needles: readonly string[],
  depths: readonly number[],
): string {
  const room = tokens - tokenizer.encode(needles.join(" ")).length;
  const prose = cutProse(book, { tokens: room, tokenizer, random });
  return needles.reduceRight((text, needle, i) => plant(text, needle, depths[i] ?? 0), prose);
}

function tell({ key, value }: { readonly key: string; readonly value: string }): string {
  return `One of the special magic numbers for ${key} is: ${value}.`;
}

function number(random: Random): string {
  return `${random.integer(1_000_000, 9_999_999)}`;
}
