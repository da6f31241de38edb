// Fits when a question is refused, on SQuAD's training articles: a logistic regression on how the words of answerable questions
// (version 1.1) and unanswerable ones (2.0) stand in their paragraph, and the threshold that refuses a given share of the
// answerable ones. The articles are left out one by one for what is printed and for the threshold. No model runs.
//
//     npx tsx test/eval/fitAnswerability.ts ../shared/data/squad src/engine/answer/spans/answerabilityWeights.ts [each]

import { writeFileSync } from "node:fs";
import { answerabilityFeatures } from "../../src/engine/answer/spans/answerability.ts";
import type { Features } from "../../src/engine/answer/spans/spanFeatures.ts";
import { areaUnderCurve, quantile } from "./curve.ts";
import { ownParagraph } from "./ownParagraph.ts";
import { readTrainingSet, type TrainingQuestion, type TrainingSet } from "./trainingQuestions.ts";

/** Share of the answerable questions that may be refused; articles differ, and most of them stay under a fifth with it. */
const WRONGLY_REFUSED = 0.13;
/** Rarer features say nothing. */
const MIN_COUNT = 12;
/** Weight of the squared weights of standardised features. */
const DECAY = 200;
const NUM_STEPS = 25;

interface Example {
  readonly article: string;
  readonly isAnswerable: boolean;
  readonly features: Features;
}

interface Logistic {
  readonly bias: number;
  readonly weights: readonly number[];
}

const [folder, output, each = "2000"] = process.argv.slice(2);
if (!folder || !output) throw new Error("usage: fitAnswerability.ts SQUAD_FOLDER OUTPUT [EACH]");
const set = await readTrainingSet(folder);
const impossible = set.questions.filter(({ answers }) => answers.length === 0);
const withBoth = new Set(impossible.map(({ article }) => article));
const answerable = set.questions.filter(
  ({ answers, article }) => answers.length > 0 && withBoth.has(article),
);
const examples = [...answerable.slice(0, Number(each)), ...impossible.slice(0, Number(each))].map(
  (question) => exampleOf(question, set),
);
const names = frequentNames(examples);
const odds = examples.map(() => 0);
for (const article of withBoth) {
  const model = fitLogistic(examples.filter((example) => example.article !== article));
  for (const [i, example] of examples.entries())
    if (example.article === article) odds[i] = logOdds(model, example);
}
const [good, bad] = [true, false].map((wanted) =>
  odds.filter((_, i) => examples[i]?.isAnswerable === wanted).sort((a, b) => a - b),
);
if (!good || !bad) throw new Error("there are questions of both kinds");
console.log(`${examples.length} questions, ${names.length} features, articles left out one by one`);
for (const article of withBoth) {
  const own = odds.filter((_, i) => examples[i]?.isAnswerable && examples[i]?.article === article);
  const refused = own.filter((value) => value < quantile(good, WRONGLY_REFUSED)).length;
  console.log(`${article}: wrongly refused ${(refused / own.length).toFixed(2)}`);
}
console.log(`area under the curve ${areaUnderCurve(good, bad).toFixed(3)}`);
for (const share of [0.05, 0.1, WRONGLY_REFUSED, 0.2]) {
  const recognised = bad.filter((value) => value < quantile(good, share)).length / bad.length;
  console.log(`wrongly refused ${share}: recognised ${recognised.toFixed(3)}`);
}
const { bias, weights } = fitLogistic(examples);
const rows = names
  .map((name, i) => `  ${JSON.stringify(name)}: ${(weights[i] ?? 0).toFixed(2)},`)
  .sort();
// The bias holds the threshold: log-odds below 0 are refused.
writeFileSync(
  output,
  `// Made by test/eval/fitAnswerability.ts from SQuAD's training articles: what each feature adds to the log-odds that a passage answers.

/** Below 0 a question is refused: ${100 * WRONGLY_REFUSED} of 100 answerable ones of the training articles are. */
export const ANSWERABILITY_BIAS = ${(bias - quantile(good, WRONGLY_REFUSED)).toFixed(2)};

export const ANSWERABILITY_WEIGHTS: Readonly<Record<string, number>> = {
${rows.join("\n")}
};
`,
);

function exampleOf(question: TrainingQuestion, set: TrainingSet): Example {
  return {
    article: question.article,
    isAnswerable: question.answers.length > 0,
    features: answerabilityFeatures(ownParagraph(question, set)),
  };
}

function frequentNames(some: readonly Example[]): string[] {
  const counts = new Map<string, number>();
  for (const { features } of some)
    for (const [name, value] of Object.entries(features))
      if (value !== 0) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].filter(([, count]) => count >= MIN_COUNT).map(([name]) => name);
}

/** Newton's method on standardised features; the weights returned are those of the features as they are. */
function fitLogistic(some: readonly Example[]): Logistic {
  const raw = some.map(({ features }) => names.map((name) => features[name] ?? 0));
  const means = names.map((_, i) => mean(raw.map((row) => row[i] ?? 0)));
  const deviations = names.map(
    (_, i) => Math.sqrt(mean(raw.map((row) => ((row[i] ?? 0) - (means[i] ?? 0)) ** 2))) + 1e-6,
  );
  const inputs = raw.map((row) => [
    1,
    ...row.map((value, i) => (value - (means[i] ?? 0)) / (deviations[i] ?? 1)),
  ]);
  const size = names.length + 1;
  let solution = new Array<number>(size).fill(0);
  for (let step = 0; step < NUM_STEPS; step++) {
    const gradient = solution.map((value, i) => (i === 0 ? 0 : DECAY * value));
    const hessian = Array.from({ length: size }, (_, i) =>
      Float64Array.from({ length: size }, (_, j) => (i === j ? DECAY : 0)),
    );
    for (const [n, input] of inputs.entries()) {
      const p = 1 / (1 + Math.exp(-dot(solution, input)));
      const error = p - (some[n]?.isAnswerable ? 1 : 0);
      const curvature = p * (1 - p);
      for (let i = 0; i < size; i++) {
        const own = input[i] ?? 0;
        if (own === 0) continue;
        gradient[i] = (gradient[i] ?? 0) + error * own;
        const row = hessian[i] ?? new Float64Array(size);
        for (let j = 0; j <= i; j++) row[j] = (row[j] ?? 0) + curvature * own * (input[j] ?? 0);
      }
    }
    const change = solveSymmetric(hessian, gradient);
    solution = solution.map((value, i) => value - (change[i] ?? 0));
    if (Math.max(...change.map(Math.abs)) < 1e-6) break;
  }
  const scaled = names.map((_, i) => (solution[i + 1] ?? 0) / (deviations[i] ?? 1));
  return { bias: (solution[0] ?? 0) - dot(scaled, means), weights: scaled };
}

/** Solves A x = b for a positive definite A given by its lower triangle (Cholesky). */
function solveSymmetric(lower: readonly Float64Array[], b: readonly number[]): number[] {
  const size = b.length;
  const at = (i: number, j: number) => lower[i]?.[j] ?? 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = at(i, j);
      for (let k = 0; k < j; k++) sum -= at(i, k) * at(j, k);
      const row = lower[i];
      if (row) row[j] = i === j ? Math.sqrt(sum) : sum / at(j, j);
    }
  }
  const y: number[] = [];
  for (let i = 0; i < size; i++) {
    let sum = b[i] ?? 0;
    for (let k = 0; k < i; k++) sum -= at(i, k) * (y[k] ?? 0);
    y.push(sum / at(i, i));
  }
  const x = new Array<number>(size).fill(0);
  for (let i = size - 1; i >= 0; i--) {
    let sum = y[i] ?? 0;
    for (let k = i + 1; k < size; k++) sum -= at(k, i) * (x[k] ?? 0);
    x[i] = sum / at(i, i);
  }
  return x;
}

function logOdds({ bias, weights }: Logistic, { features }: Example): number {
  return names.reduce((sum, name, i) => sum + (weights[i] ?? 0) * (features[name] ?? 0), bias);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
