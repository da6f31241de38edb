// Cache policies by budget: perplexity, and pass keys whose question comes behind the text (the policy could not know it) or in
// front of it as well.

import { cachePolicies } from "../../../engine/cache/policies/index.ts";
import type { ModelSettings } from "../../../protocol.ts";
import { answerers, answerFromCache } from "../answerers.ts";
import type { EvalTools } from "../evalTools.ts";
import { BOOK, readBook } from "../haystack.ts";
import { shareFound } from "../metrics.ts";
import { hidePassKey } from "../passKey.ts";
import { type EvalCase, type Outcome, percent, type Suite } from "../suite.ts";
import { textLoss } from "../textLoss.ts";
import { PERPLEXITY } from "./perplexity.ts";

const BUDGETS = { "1/2": 2, "1/4": 4, "1/8": 8, "1/16": 16, "1/32": 32 } as const;
const SINKS = "streaming-llm";
/** Evictions come so many tokens apart. */
const CHUNK = 256;

const evicting = Object.entries(cachePolicies).filter(([, policy]) => policy.evicts);

export const policies: Suite = {
  summary: "Cache policies by budget: perplexity, and pass keys asked for behind or before a text.",
  data: [BOOK],
  methods: {
    full: { title: "`full`" },
    ...Object.fromEntries(
      evicting.map(([id]) => [id, { title: `\`${id}\``, isBaseline: id === SINKS }]),
    ),
    search: answerers.search,
  },
  metrics: {
    loss: PERPLEXITY,
    after: percent("key found, asked after"),
    before: percent("key found, asked before and after"),
  },
  headline: { method: "h2o", metric: "after" },
  tables: [
    {
      title: "Cache policies by budget, as a share of the text",
      rows: ["budget", "method"],
      metrics: ["loss", "after", "before"],
    },
  ],
  charts: [
    ...(["after", "loss"] as const).map((metric) => ({
      kind: "lines" as const,
      name: `policies-${metric}`,
      title: metric === "after" ? "Pass keys found, asked after the text" : "Perplexity",
      metric,
      x: "budget",
      y: "method",
    })),
  ],
  async cases(tools) {
    const book = await readBook(tools);
    const [length = 0] = tools.lengths(["1x"]);
    const methods = evicting.flatMap(([method]) =>
      Object.keys(BUDGETS).map((budget) => ({ method, budget })),
    );
    const places = [
      { method: "full", budget: "all" },
      { method: "search", budget: "none" },
    ];
    return [...places, ...methods].flatMap(({ method, budget }) =>
      tools.numbers.flatMap((number): EvalCase[] => {
        const at = { tools, book, method, budget, length, number };
        const cell = (measure: string) => ({ measure, budget, length, number });
        return [
          { method, cell: cell("after"), run: () => findKey(at, "after") },
          { method, cell: cell("before"), run: () => findKey(at, "before") },
          ...(method === "search"
            ? []
            : [{ method, cell: cell("perplexity"), run: () => loss(at) }]),
        ];
      }),
    );
  },
};

interface At {
  readonly tools: EvalTools;
  readonly book: string;
  readonly method: string;
  readonly budget: string;
  readonly length: number;
  readonly number: number;
}

function settingsOf({ method, budget, length }: At): ModelSettings {
  const divisor = BUDGETS[budget as keyof typeof BUDGETS];
  const chunkLength = Math.min(CHUNK, Math.floor(length / 4));
  if (divisor === undefined) return { cachePolicy: method, chunkLength, contextLength: length };
  const cacheBudget = Math.floor(length / divisor);
  return { cachePolicy: method, cacheBudget, chunkLength, contextLength: length };
}

async function findKey(at: At, asked: "after" | "before"): Promise<Outcome> {
  const { tools, book, method, length, number } = at;
  const random = tools.random("policies", length, number);
  const depth = random.integer(0, 100);
  const { tokenizer } = tools.model;
  const made = hidePassKey(book, { length: length - 40, depth, tokenizer, random });
  const { question, expected } = made;
  const text = asked === "after" ? made.text : `${question}\n\n${made.text}`;
  const path = await tools.writeDocument(`policies-${asked}-${length}-${number}.txt`, text);
  const { answer } =
    method === "search"
      ? await answerers.search.answer(tools, path, question)
      : await answerFromCache(tools, { path, question, settings: settingsOf(at) });
  const scores = { [asked]: shareFound(answer, expected) };
  return { scores, question, answer, expected: expected.join() };
}

async function loss(at: At): Promise<Outcome> {
  const { tools, book, length, number } = at;
  const random = tools.random("loss", length, number);
  return {
    scores: { loss: await textLoss(tools, { book, length, random, settings: settingsOf(at) }) },
  };
}
