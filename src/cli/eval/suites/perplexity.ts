// Beyond the trained length: perplexity and pass keys by RoPE scaling and length. Perplexity alone is no evidence of memory:
// sinks and recent tokens keep it low and lose the key, so both stand in one table.

import type { ModelSettings } from "../../../protocol.ts";
import { answerers, answerFromCache, sinksSettings } from "../answerers.ts";
import type { EvalTools } from "../evalTools.ts";
import { BOOK, readBook } from "../haystack.ts";
import { shareFound } from "../metrics.ts";
import { hidePassKey } from "../passKey.ts";
import { type EvalCase, type Metric, type Outcome, percent, type Suite } from "../suite.ts";
import { textLoss } from "../textLoss.ts";

export const PERPLEXITY: Metric = {
  title: "perplexity of the last quarter",
  unit: "",
  digits: 1,
  better: "lower",
  isLog: true,
};

const scalings = ["linear", "ntk", "dynamic-ntk", "yarn"] as const;

/** What the methods set at a length; `search` reads no model. */
const settingsOf: Readonly<Record<string, (tools: EvalTools, length: number) => ModelSettings>> =
  Object.fromEntries([
    ...["none", ...scalings].map((id) => [
      id,
      (_: EvalTools, length: number) => ({
        cachePolicy: "full",
        ropeScaling: id,
        contextLength: length,
      }),
    ]),
    [
      "sinks",
      (tools: EvalTools, length: number) => ({ ...sinksSettings(tools), contextLength: length }),
    ],
  ]);

export const perplexity: Suite = {
  summary: "Perplexity and pass keys by RoPE scaling, up to several times the trained length.",
  data: [BOOK],
  methods: {
    none: { title: "`none`: RoPE as trained", isBaseline: true },
    ...Object.fromEntries(scalings.map((id) => [id, { title: `\`${id}\`` }])),
    sinks: { ...answerers.sinks },
    search: { ...answerers.search },
  },
  metrics: { loss: PERPLEXITY, right: percent("pass key found") },
  headline: { method: "yarn", metric: "right" },
  tables: [
    {
      title: "Perplexity (last quarter of the text), by length in tokens",
      rows: ["method"],
      columns: "length",
      metrics: ["loss"],
    },
    {
      title: "Pass keys found in the same prose, asked for behind it, by length in tokens",
      rows: ["method"],
      columns: "length",
      metrics: ["right"],
    },
  ],
  charts: [
    {
      kind: "lines",
      name: "scaling-perplexity",
      title: "Perplexity by RoPE scaling (logarithmic)",
      metric: "loss",
      x: "length",
      y: "method",
    },
    {
      kind: "lines",
      name: "scaling-passkey",
      title: "Pass keys found by RoPE scaling",
      metric: "right",
      x: "length",
      y: "method",
    },
  ],
  async cases(tools) {
    const book = await readBook(tools);
    const lengths = tools.lengths(["1x", "2x", "4x"], book);
    return [...Object.keys(settingsOf), "search"].flatMap((method) =>
      lengths.flatMap((length) =>
        tools.numbers.flatMap((number): EvalCase[] => {
          const at = { tools, book, method, length, number };
          const key = { method, cell: { measure: "pass key", length, number } };
          const text = { method, cell: { measure: "perplexity", length, number } };
          const keyCase = { ...key, run: () => findKey(at) };
          // Search predicts nothing.
          return method === "search" ? [keyCase] : [keyCase, { ...text, run: () => loss(at) }];
        }),
      ),
    );
  },
};

interface At {
  readonly tools: EvalTools;
  readonly book: string;
  readonly method: string;
  readonly length: number;
  readonly number: number;
}

async function findKey({ tools, book, method, length, number }: At): Promise<Outcome> {
  const random = tools.random("perplexity", length, number);
  const depth = random.integer(0, 100);
  const { tokenizer } = tools.model;
  const made = hidePassKey(book, { length, depth, tokenizer, random });
  const path = await tools.writeDocument(`pass-key-${length}-${number}/book.txt`, made.text);
  const { question, expected } = made;
  const settings = settingsOf[method]?.(tools, length);
  const { answer } = settings
    ? await answerFromCache(tools, { path, question, settings })
    : await answerers.search.answer(tools, path, question);
  const scores = { right: shareFound(answer, expected) };
  return { scores, question, answer, expected: expected.join() };
}

async function loss({ tools, book, method, length, number }: At): Promise<Outcome> {
  const random = tools.random("loss", length, number);
  const settings = settingsOf[method]?.(tools, length) ?? {};
  return { scores: { loss: await textLoss(tools, { book, length, random, settings }) } };
}
