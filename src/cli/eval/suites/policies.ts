// Cache policies by budget: perplexity, divergence from the full cache, and pass keys whose question comes behind the text (no
// policy could know it) or in front of it as well.

import { cacheAllocationOf } from "../../../engine/cache/allocations/index.ts";
import { cachePolicies } from "../../../engine/cache/policies/index.ts";
import type { CachePolicy } from "../../../engine/cache/policies/policy.ts";
import type { ModelSettings } from "../../../protocol.ts";
import { answerers, answerFromCache } from "../answerers.ts";
import { divergenceOf, fullSettings, type Predictions, predictionsOf } from "../divergence.ts";
import type { EvalTools } from "../evalTools.ts";
import { BOOK, readBook } from "../haystack.ts";
import { shareFound } from "../metrics.ts";
import { hidePassKey } from "../passKey.ts";
import { type EvalCase, type Outcome, percent, type Suite } from "../suite.ts";
import { bookTokens, textLoss } from "../textLoss.ts";
import { KL } from "./fidelity.ts";
import { PERPLEXITY } from "./perplexity.ts";

/** What a budget divides the text's length by. */
const BUDGETS: Readonly<Record<string, number>> = {
  "1/2": 2,
  "1/4": 4,
  "1/8": 8,
  "1/16": 16,
  "1/32": 32,
};
const SINKS = "streaming-llm";
/** Evictions come so many tokens apart. */
const CHUNK = 256;
/** Tokens of the question in front of the text. */
const QUESTION_TOKENS = 40;

const evicting = Object.entries<CachePolicy>(cachePolicies).filter(([, policy]) => policy.evicts);
/** Whether evicted tokens may come back, as many as the budget has. */
const recalls = ["no", "yes"] as const;

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
    kl: KL,
    after: percent("key found, asked after"),
    before: percent("key found, asked before and after"),
  },
  headline: { method: "h2o", metric: "after" },
  tables: [
    {
      title: "Cache policies by budget, as a share of the text",
      rows: ["budget", "recall", "method"],
      metrics: ["loss", "kl", "after", "before"],
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
      where: { recall: "no" },
    })),
  ],
  async cases(tools) {
    const book = await readBook(tools);
    const [length = 0] = tools.lengths(["1x"], book);
    const full = new Map<number, Promise<Predictions>>();
    const bounded = evicting.flatMap(([method, { allocation }]) => {
      const [, { among }] = cacheAllocationOf(
        tools.settings.cacheAllocation ?? allocation ?? "uniform",
      );
      // Heads that compete hold different numbers of tokens, to which none come back.
      const possible = among === "head" ? recalls : (["no"] as const);
      return Object.keys(BUDGETS).flatMap((budget) =>
        possible.map((recall) => ({ method, budget, recall })),
      );
    });
    const unbounded = [
      { method: "full", budget: "all", recall: "no" },
      { method: "search", budget: "none", recall: "no" },
    ];
    return [...unbounded, ...bounded].flatMap(({ method, budget, recall }) =>
      tools.numbers.flatMap((number): EvalCase[] => {
        const at = { tools, book, full, method, budget, recall, length, number };
        const made = (measure: string, run: () => Promise<Outcome>) => ({
          ...{ method, cell: { measure, budget, recall, length, number } },
          run,
        });
        const after = made("after", () => findKey(at, "after"));
        // What is recalled is what a question asks for.
        if (recall === "yes") return [after];
        const before = made("before", () => findKey(at, "before"));
        // Search predicts nothing.
        if (method === "search") return [after, before];
        return [after, before, made("text", () => predict(at))];
      }),
    );
  },
};

interface At {
  readonly tools: EvalTools;
  readonly book: string;
  readonly full: Map<number, Promise<Predictions>>;
  readonly method: string;
  readonly budget: string;
  readonly recall: string;
  readonly length: number;
  readonly number: number;
}

function settingsOf({ method, budget, recall, length }: At): ModelSettings {
  const chunkLength = Math.min(CHUNK, Math.floor(length / 4));
  const shared = { cachePolicy: method, chunkLength, contextLength: length };
  const divisor = BUDGETS[budget];
  if (divisor === undefined) return shared;
  const cacheBudget = Math.floor(length / divisor);
  return { ...shared, cacheBudget, cacheRecall: recall === "yes" ? cacheBudget : 0 };
}

async function findKey(at: At, asked: "after" | "before"): Promise<Outcome> {
  const { tools, book, method, length, number } = at;
  const random = tools.random("policies", length, number);
  const { tokenizer } = tools.model;
  const made = hidePassKey(book, {
    ...{ length: length - QUESTION_TOKENS, depth: random.integer(0, 100), tokenizer, random },
  });
  const { question, expected } = made;
  const text = asked === "after" ? made.text : `${question}\n\n${made.text}`;
  const path = await tools.writeDocument(`${asked}-${length}-${number}/book.txt`, text);
  const { answer } =
    method === "search"
      ? await answerers.search.answer(tools, path, question)
      : await answerFromCache(tools, { path, question, settings: settingsOf(at) });
  const scores = { [asked]: shareFound(answer, expected) };
  return { scores, question, answer, expected: expected.join() };
}

async function predict(at: At): Promise<Outcome> {
  const { tools, book, full, length, number } = at;
  const random = () => tools.random("loss", length, number);
  const tokens = bookTokens(tools, { book, length: length - 1, random: random() });
  const reference =
    full.get(number) ?? predictionsOf(tools, tokens, fullSettings(tools.settings, length));
  full.set(number, reference);
  const expected = await reference;
  const settings = settingsOf(at);
  const found = await predictionsOf(tools, tokens, { ...tools.settings, ...settings });
  const { kl } = divergenceOf(expected, found);
  return {
    scores: { kl, loss: await textLoss(tools, { book, length, random: random(), settings }) },
  };
}
