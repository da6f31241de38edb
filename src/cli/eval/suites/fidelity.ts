// What compression does to the model's predictions on a document of the user's own: agreement with the full cache in 16 bits, and
// the divergence from it, on the text's own words. Without a document, on the novel.

import { cachePolicies } from "../../../engine/cache/policies/index.ts";
import { readDocuments } from "../../../engine/documents/readDocuments.ts";
import { UserError } from "../../../engine/errors.ts";
import type { ModelSettings } from "../../../protocol.ts";
import { divergenceOf, fullSettings, type Predictions, predictionsOf } from "../divergence.ts";
import type { EvalTools } from "../evalTools.ts";
import { readBook } from "../haystack.ts";
import { type EvalCase, type Metric, type Outcome, percent, type Suite } from "../suite.ts";

/** A quarter of the text stays. */
const SHARE = 4;
const CHUNK = 256;
const SINKS = "streaming-llm";

export const KL: Metric = {
  title: "KL from the full cache",
  unit: "nats",
  digits: 4,
  better: "lower",
};

const types = [
  ["q8_0", "q8_0"],
  ["q8_0", "q4_0"],
  ["q4_0", "q4_0"],
] as const;
const evicting = Object.entries(cachePolicies).filter(([, policy]) => policy.evicts);

/** By method, what is set for a text of so many tokens. */
const settingsOf: Readonly<Record<string, (length: number) => ModelSettings>> = {
  given: () => ({}),
  ...Object.fromEntries(
    types.map(([cacheTypeK, cacheTypeV]) => [
      `${cacheTypeK}/${cacheTypeV}`,
      (contextLength: number) => ({ cacheTypeK, cacheTypeV, contextLength }),
    ]),
  ),
  ...Object.fromEntries(
    evicting.map(([cachePolicy]) => [
      cachePolicy,
      (length: number) => ({
        ...{ cachePolicy, cacheBudget: Math.floor(length / SHARE), contextLength: length },
        chunkLength: Math.min(CHUNK, Math.floor(length / SHARE)),
      }),
    ]),
  ),
};

export const fidelity: Suite = {
  summary:
    "Agreement of compressed caches with the full one, on a document of your own (FILE; else on a novel).",
  takesFile: true,
  data: [],
  methods: {
    given: { title: "the settings given" },
    ...Object.fromEntries(
      types.map(([k, v]) => [`${k}/${v}`, { title: `keys \`${k}\`, values \`${v}\`` }]),
    ),
    ...Object.fromEntries(
      evicting.map(([id]) => [
        id,
        { title: `\`${id}\`, 1/${SHARE} of the tokens`, isBaseline: id === SINKS },
      ]),
    ),
  },
  metrics: { agreement: percent("same likeliest token"), kl: KL },
  headline: { method: "given", metric: "agreement" },
  tables: [
    {
      title: "Predictions over compressed caches, by length in tokens",
      rows: ["length", "method"],
      metrics: ["agreement", "kl"],
    },
  ],
  charts: [
    {
      kind: "lines",
      name: "fidelity",
      title: "KL from the full cache",
      metric: "kl",
      x: "length",
      y: "method",
    },
  ],
  async cases(tools) {
    const text = tools.file === undefined ? await readBook(tools) : await ownText(tools);
    const tokens = tools.model.tokenizer.encode(text, { addSpecial: true });
    const pieces = tools
      .lengths(["1x"])
      .flatMap((length) =>
        tools.numbers.flatMap((number) => pieceOf(tokens, length, number, tools)),
      );
    if (pieces.length === 0)
      throw new UserError(
        `The document has ${tokens.length} tokens, fewer than any of the lengths: give a longer one, or shorter --lengths.`,
      );
    const full = new Map<Piece, Promise<Predictions>>();
    return Object.entries(settingsOf).flatMap(([method, settings]) =>
      pieces.map((piece): EvalCase => {
        const { length, number } = piece;
        const run = async (): Promise<Outcome> => {
          // All at once, so that the model is loaded anew only once for it.
          for (const other of pieces) {
            if (full.has(other)) continue;
            const plain = fullSettings(tools.settings, other.length);
            const found = predictionsOf(tools, other.tokens, plain);
            full.set(other, found);
            await found;
          }
          const reference = (await full.get(piece)) ?? [];
          const base =
            method === "given"
              ? { contextLength: length, ...tools.settings }
              : fullSettings(tools.settings, length);
          const own = { ...base, ...settings(length) };
          const found = await predictionsOf(tools, piece.tokens, own);
          return { scores: { ...divergenceOf(reference, found) } };
        };
        return { method, cell: { length, number }, run };
      }),
    );
  },
};

interface Piece {
  readonly length: number;
  readonly number: number;
  readonly tokens: readonly number[];
}

// Pieces evenly over the document; a document too short for so many has fewer.
function pieceOf(
  tokens: readonly number[],
  length: number,
  number: number,
  { numCases }: EvalTools,
): Piece[] {
  const size = length - 1;
  const room = tokens.length - size;
  if (room < 0 || (number > 0 && room < numCases)) return [];
  const start = numCases === 1 ? 0 : Math.floor((room * number) / (numCases - 1 || 1));
  return [{ length, number, tokens: tokens.slice(start, start + size) }];
}

async function ownText({ file = "", work, shelf }: EvalTools): Promise<string> {
  const { documents } = await readDocuments([file], { ...work, library: shelf.library });
  return documents.map(({ text }) => text).join("\n\n");
}
