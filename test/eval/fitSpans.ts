// Fits the weights by which spans are weighed as answers, on SQuAD's training articles: a log-linear model over the spans of the
// passages read, trained to put its probability on spans that share words with a reference (expected squared F1). No model
// runs: its ln p has a weight of its own, set by hand, since it was trained on these very questions.
//
//     npx tsx test/eval/fitSpans.ts ../shared/data/squad src/engine/answer/spans/spanWeights.ts [questions]

import { writeFileSync } from "node:fs";
import { f1, normalise } from "../../src/cli/eval/metrics.ts";
import type { ScoredPassage } from "../../src/engine/answer/searchIndex.ts";
import { contestOf } from "../../src/engine/answer/spans/contest.ts";
import { spanFeatures } from "../../src/engine/answer/spans/spanFeatures.ts";
import { spansFrom, spanText } from "../../src/engine/answer/spans/spanSearch.ts";
import type { SourceDocument } from "../../src/engine/documents/document.ts";
import { random } from "../support/random.ts";
import { readTrainingSet, type TrainingQuestion, type TrainingSet } from "./trainingQuestions.ts";

/** Weights of the model's ln p, and of that under no question in particular: the best of a grid on 160 development questions. */
const MODEL_WEIGHT = 0.5;
const UNASKED_WEIGHT = -0.15;
/** Of the span pointer's ln p: likewise. */
const POINTED_WEIGHT = 2;
/** Wrong spans kept of each passage; all of them would only repeat one another. */
const NUM_WRONG = 200;
const NUM_PASSAGES = 3;
/** Which wrong spans are drawn moves F1 by two points: weights are the mean of several drawings. */
const SEEDS = [3, 4, 5];
const BATCH = 32;
const EPOCHS = 20;
const RATE = 0.05;
const DECAY = 1e-4;

/** Spans of one question: features in compressed rows, and how right each is. */
interface Example {
  readonly article: string;
  readonly rows: readonly number[];
  readonly names: Uint16Array;
  readonly values: Float32Array;
  readonly rightness: readonly number[];
}

/** Gives each feature a number. */
class Names {
  readonly list: string[] = [];
  readonly #numbers = new Map<string, number>();

  number(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.list.length);
    return this.list.push(name) - 1;
  }
}

const [folder, output, limit = "4000"] = process.argv.slice(2);
if (!folder || !output) throw new Error("usage: fitSpans.ts SQUAD_FOLDER OUTPUT [QUESTIONS]");
const names = new Names();
const set = await readTrainingSet(folder);
const questions = set.questions.filter(({ answers }) => answers.length > 0).slice(0, Number(limit));
const articles = [...set.paragraphs.keys()].sort();
const isTested = ({ article }: Example) => articles.indexOf(article) % 4 === 0;
const fits = SEEDS.map(fitOnce);
const weights = names.list.map((_, i) => mean(fits.map((fit) => fit[i] ?? 0)));
const sorted = [...names.list.entries()].sort(([, a], [, b]) => (a < b ? -1 : 1));
const entries = sorted.map(
  ([i, name]) => `  ${JSON.stringify(name)}: ${(weights[i] ?? 0).toFixed(2)},`,
);
writeFileSync(
  output,
  `// Made by test/eval/fitSpans.ts from SQuAD's training articles: what each feature of a span adds to its log-odds as an answer.

export const SPAN_WEIGHTS: Readonly<Record<string, number>> = {
  lnFirst: ${MODEL_WEIGHT},
  lnRest: ${MODEL_WEIGHT},
  lnEnd: ${MODEL_WEIGHT},
  lnUnasked: ${UNASKED_WEIGHT},
  lnPointed: ${POINTED_WEIGHT},
${entries.join("\n")}
};
`,
);

// Weights from one drawing of wrong spans; what is printed is measured on articles that were left out.
function fitOnce(seed: number): Float64Array {
  const draw = random(seed);
  const examples = questions.map((question, i) => exampleOf(question, i % 2 === 0, draw));
  const crossed = fitWeights(
    examples.filter((example) => !isTested(example)),
    draw,
  );
  console.log(`${examples.length} questions, ${names.list.length} features`);
  for (const [label, share] of [
    ["paragraph alone", 0],
    ["among three", 1],
  ] as const) {
    const some = examples.filter((example, i) => isTested(example) && i % 2 === share);
    console.log(
      `${label}, articles left out of the fit, ${some.length}: F1 ${meanRightness(some, crossed).toFixed(1)}`,
    );
  }
  return fitWeights(examples, draw);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function exampleOf(question: TrainingQuestion, alone: boolean, draw: () => number): Example {
  const { paragraphs, index } = set;
  const own = paragraphs.get(question.article) ?? [];
  const passages = alone
    ? [{ document: question.paragraph, start: 0, end: question.paragraph.text.length, score: 1 }]
    : competing(question, own, index);
  const terms = {
    question: index.termWeights(own, question.text).keys(),
    termsOf: (text: string) => index.termsOf(text),
  };
  const { asked, contestants } = contestOf(passages, question.text, terms);
  const [rows, numbers, values, rightness]: number[][] = [[0], [], [], []];
  const wanted = new Set(question.answers.flatMap((answer) => normalise(answer).split(" ")));
  for (const { words, competition } of contestants) {
    const spans = words.words.flatMap((_, first) => spansFrom(words, first));
    // Most spans share no word with a reference: they need no closer look.
    const shares = words.words.map(({ text }) =>
      normalise(text)
        .split(" ")
        .some((word) => wanted.has(word)),
    );
    for (const span of spans) {
      const mayBeRight = shares.slice(span.first, span.last + 1).includes(true);
      const right = mayBeRight ? f1(spanText(words, span), question.answers) : 0;
      if (right < 0.2 && draw() > NUM_WRONG / spans.length) continue;
      const features = spanFeatures(words, span, {
        ...asked,
        competition,
        likelihood: { first: 0 },
      });
      for (const [name, value] of Object.entries(features)) {
        if (value === 0) continue;
        numbers?.push(names.number(name));
        values?.push(value);
      }
      rows?.push(numbers?.length ?? 0);
      rightness?.push(right);
    }
  }
  return {
    article: question.article,
    rows: rows ?? [],
    names: Uint16Array.from(numbers ?? []),
    values: Float32Array.from(values ?? []),
    rightness: rightness ?? [],
  };
}

// The best passages of the article by the search, the question's own among them.
function competing(
  { paragraph, text }: TrainingQuestion,
  documents: readonly SourceDocument[],
  index: TrainingSet["index"],
): ScoredPassage[] {
  const found = index.search(documents, { text }, documents.length);
  const best = new Map<SourceDocument, number>();
  for (const { document, score } of found)
    best.set(document, Math.max(score, best.get(document) ?? 0));
  const whole = [...best].map(([document, score]) => ({
    document,
    start: 0,
    end: document.text.length,
    score,
  }));
  const first = whole.slice(0, NUM_PASSAGES);
  if (first.some(({ document }) => document === paragraph)) return first;
  const own = whole.find(({ document }) => document === paragraph);
  const score = own?.score ?? 0.1;
  return [
    ...first.slice(0, -1),
    { document: paragraph, start: 0, end: paragraph.text.length, score },
  ];
}

/** Weights of all features by Adam (arXiv:1412.6980). */
function fitWeights(some: readonly Example[], draw: () => number): Float64Array {
  const size = names.list.length;
  const [weights, mean, variance] = [
    new Float64Array(size),
    new Float64Array(size),
    new Float64Array(size),
  ];
  const order = [...some];
  const numSteps = EPOCHS * Math.ceil(order.length / BATCH);
  let step = 0;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(draw() * (i + 1));
      [order[i], order[j]] = [order[j]!, order[i]!]; // both indices exist
    }
    for (let first = 0; first < order.length; first += BATCH) {
      const gradient = new Float64Array(size);
      for (const example of order.slice(first, first + BATCH))
        addGradient(example, weights, gradient);
      step++;
      const rate = RATE * (1 - step / numSteps);
      for (let i = 0; i < size; i++) {
        const own = (gradient[i] ?? 0) / BATCH + DECAY * (weights[i] ?? 0);
        mean[i] = 0.9 * (mean[i] ?? 0) + 0.1 * own;
        variance[i] = 0.999 * (variance[i] ?? 0) + 0.001 * own * own;
        const unbiased = (mean[i] ?? 0) / (1 - 0.9 ** step);
        const scale = Math.sqrt((variance[i] ?? 0) / (1 - 0.999 ** step)) + 1e-8;
        weights[i] = (weights[i] ?? 0) - (rate * unbiased) / scale;
      }
    }
  }
  return weights;
}

// Gradient of −ln of the expected squared F1 of a softmax over the spans.
function addGradient(example: Example, weights: Float64Array, gradient: Float64Array): void {
  const odds = scores(example, weights);
  const highest = Math.max(...odds);
  const unscaled = odds.map((score) => Math.exp(score - highest));
  const total = unscaled.reduce((sum, value) => sum + value, 0);
  const { rightness, rows, names: numbers, values } = example;
  const expected = unscaled.reduce(
    (sum, value, i) => sum + (value / total) * (rightness[i] ?? 0) ** 2,
    0,
  );
  if (expected < 1e-12) return;
  for (const [i, value] of unscaled.entries()) {
    const pull = (value / total) * (1 - (rightness[i] ?? 0) ** 2 / expected);
    if (Math.abs(pull) < 1e-7) continue;
    for (let k = rows[i] ?? 0; k < (rows[i + 1] ?? 0); k++) {
      const number = numbers[k] ?? 0;
      gradient[number] = (gradient[number] ?? 0) + pull * (values[k] ?? 0);
    }
  }
}

function scores(
  { rows, names: numbers, values, rightness }: Example,
  weights: Float64Array,
): number[] {
  return rightness.map((_, i) => {
    let sum = 0;
    for (let k = rows[i] ?? 0; k < (rows[i + 1] ?? 0); k++)
      sum += (weights[numbers[k] ?? 0] ?? 0) * (values[k] ?? 0);
    return sum;
  });
}

function meanRightness(some: readonly Example[], weights: Float64Array): number {
  const sum = some.reduce((total, example) => {
    const odds = scores(example, weights);
    return total + (example.rightness[odds.indexOf(Math.max(...odds))] ?? 0);
  }, 0);
  return (100 * sum) / some.length;
}
