// Variable tracking after RULER (arXiv:2404.06654): a chain of assignments in noise; all its variables are asked for.

import { answerers } from "../answerers.ts";
import { documentCases, type MadeDocument } from "../documentCases.ts";
import { documentTokens } from "../haystack.ts";
import type { Random } from "../random.ts";
import { percent, type Suite } from "../suite.ts";

const NUM_HOPS = 4;
const NOISE =
  "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

export const tracking: Suite = {
  summary: "A chain of variable assignments in noise, all its variables asked for (RULER).",
  data: [],
  methods: answerers,
  metrics: { right: percent("variables named") },
  headline: { method: "ask", metric: "right" },
  tables: [
    {
      title: "Variable tracking, by length in tokens",
      rows: ["method"],
      columns: "length",
      metrics: ["right"],
    },
  ],
  charts: [
    {
      kind: "lines",
      name: "tracking",
      title: "Variable tracking",
      metric: "right",
      x: "length",
      y: "method",
    },
  ],
  async cases(tools) {
    const { tokenizer } = tools.model;
    const perLine = tokenizer.encode(`${NOISE}\n`).length;
    return documentCases(tools, {
      id: "tracking",
      answerers,
      cells: tools.lengths(["1x", "2x", "4x"]).map((length) => ({ length })),
      make({ length }, random) {
        const chain = tokenizer.encode(chainOf("00000", namesFrom(random)).join("\n"));
        const lines = Math.floor((documentTokens(length) - chain.length) / perLine);
        return makeChain(random, Math.max(1, lines));
      },
    });
  },
};

function makeChain(random: Random, numLines: number): MadeDocument {
  const value = `${random.integer(10_000, 99_999)}`;
  const names = namesFrom(random);
  const lines = new Array<string>(numLines).fill(NOISE);
  // Assignments keep their order: each stands behind the one it refers to.
  const spots = names.map(() => random.integer(0, numLines)).sort((a, b) => b - a);
  const chain = chainOf(value, names).reverse();
  for (const [i, spot] of spots.entries()) lines.splice(spot, 0, chain[i] ?? "");
  return {
    text: lines.join("\n"),
    question: `Find all variables that are assigned the value ${value} in the text.`,
    expected: names,
  };
}

function chainOf(value: string, names: readonly string[]): string[] {
  return names.map((name, i) => `VAR ${name} = ${i === 0 ? value : `VAR ${names[i - 1]}`}.`);
}

// Five capital letters each, all different.
function namesFrom(random: Random): string[] {
  const names = new Set<string>();
  const letter = () => String.fromCharCode(65 + random.integer(0, 25));
  while (names.size < NUM_HOPS + 1) names.add(Array.from({ length: 5 }, letter).join(""));
  return [...names];
}
