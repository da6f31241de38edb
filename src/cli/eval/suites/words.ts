// Aggregation after RULER (arXiv:2404.06654). common: the ten words that a long list repeats most. frequent: the three made-up
// words that a text shows most, their counts falling with the square of their rank.

import type { Tokenizer } from "../../../engine/tokenizer/tokenizer.ts";
import { answerers } from "../answerers.ts";
import { documentCases, type MadeDocument } from "../documentCases.ts";
import { BOOK, documentTokens, readBook } from "../haystack.ts";
import type { Random } from "../random.ts";
import { percent, type Suite } from "../suite.ts";

const NUM_COMMON = 10;
/** How often a common and any other word occur in the list. */
const COUNTS = { common: 30, other: 3 };
const NUM_FREQUENT = 3;
const ALPHA = 2;
const NUM_CODED = 50;

interface Making {
  readonly tokens: number;
  readonly tokenizer: Tokenizer;
  readonly vocabulary: readonly string[];
  readonly random: Random;
}

const kinds: Readonly<Record<string, (making: Making) => MadeDocument>> = {
  common: listCommonWords,
  frequent: writeCodedText,
};

export const words: Suite = {
  summary: "The words that a long list or text holds most often (RULER's aggregation).",
  data: [BOOK],
  methods: answerers,
  metrics: { right: percent("words named") },
  headline: { method: "ask", metric: "right" },
  tables: [
    {
      title: "Common and frequent words, by length in tokens",
      rows: ["kind", "method"],
      columns: "length",
      metrics: ["right"],
    },
  ],
  charts: [
    {
      kind: "lines",
      name: "words",
      title: "Common and frequent words",
      metric: "right",
      x: "length",
      y: "method",
    },
  ],
  async cases(tools) {
    const book = await readBook(tools);
    const vocabulary = [...new Set(book.match(/\b[a-z]{4,10}\b/g))].sort();
    const { tokenizer } = tools.model;
    return documentCases(tools, {
      id: "words",
      answerers,
      cells: tools
        .lengths(["1x", "2x", "4x"])
        .flatMap((length) => Object.keys(kinds).map((kind) => ({ kind, length }))),
      make({ kind, length }, random) {
        const make = kinds[kind];
        if (!make) throw new Error(`there is no kind ${kind}`);
        return make({ tokens: documentTokens(length), tokenizer, vocabulary, random });
      },
    });
  },
};

function listCommonWords({ tokens, tokenizer, vocabulary, random }: Making): MadeDocument {
  const sample = vocabulary.slice(0, 200);
  const perEntry =
    tokenizer.encode(sample.map((word, i) => `${i}. ${word}`).join(" ")).length / 200;
  const numEntries = Math.floor(tokens / perEntry);
  // A short list repeats everything less often, in the same proportion.
  const share = Math.min(1, numEntries / (2 * NUM_COMMON * COUNTS.common));
  const common = Math.max(2, Math.round(COUNTS.common * share));
  const other = Math.max(1, Math.round(COUNTS.other * share));
  const numOthers = Math.max(1, Math.floor((numEntries - NUM_COMMON * common) / other));
  const chosen = random.sample(vocabulary, NUM_COMMON + numOthers);
  const entries = chosen.flatMap((word, i) =>
    new Array<string>(i < NUM_COMMON ? common : other).fill(word),
  );
  return {
    text: random
      .shuffle(entries)
      .map((word, i) => `${i + 1}. ${word}`)
      .join(" "),
    question: `What are the ${NUM_COMMON} most common words in the list?`,
    expected: chosen.slice(0, NUM_COMMON),
  };
}

function writeCodedText({ tokens, tokenizer, random }: Making): MadeDocument {
  const coded = new Set<string>();
  const letter = () => String.fromCharCode(97 + random.integer(0, 25));
  while (coded.size < NUM_CODED) coded.add(Array.from({ length: 6 }, letter).join(""));
  const ranked = [...coded];
  const perWord = tokenizer.encode(ranked.join(" ")).length / NUM_CODED;
  const numWords = Math.floor(tokens / perWord);
  const weights = ranked.map((_, i) => (i + 1) ** -ALPHA);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const text = ranked.flatMap((word, i) =>
    new Array<string>(Math.max(1, Math.round((numWords * (weights[i] ?? 0)) / total))).fill(word),
  );
  return {
    text: random.shuffle(text).join(" "),
    question: `What are the ${NUM_FREQUENT} words that appear most often in the text?`,
    expected: ranked.slice(0, NUM_FREQUENT),
  };
}
