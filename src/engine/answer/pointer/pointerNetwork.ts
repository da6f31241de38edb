// The span pointer: where in a passage the answer to a question begins and ends, from the hidden states of the language model.
// Attention flows between passage and question as in BiDAF (Seo et al., arXiv:1611.01603); start and end point into the passage
// (Wang and Jiang, arXiv:1608.07905). The model's own prediction of an answer has learnt its training questions by heart; the
// pointer, with a fiftieth of the weights over states that knew nothing of the question, has not.

import { bidirectionalGru, linear } from "./gru.ts";
import { type PointerWeights, requireWeights, type Weights } from "./pointerWeights.ts";

/** Words of a token, see `wordFlags`. */
export const NUM_FLAGS = 5;

export interface PointerInput {
  /** States of the passage's tokens [n, width], every layer's part of a row with a mean square of 1. */
  readonly passage: Float32Array;
  /** Those of the question's [k, width]. */
  readonly question: Float32Array;
  /** [n, NUM_FLAGS] */
  readonly flags: Float32Array;
}

export interface PointerOutput {
  /** Logits of the first and the last token of the answer [n]. */
  readonly start: Float32Array;
  readonly end: Float32Array;
  /** Logit of there being no answer, among those of the spans. */
  readonly none: number;
}

/** Point into a passage. Throws UserError where the weights lack a matrix. */
export function pointSpans({ tensors }: PointerWeights, input: PointerInput): PointerOutput {
  const layer = layersOf(tensors);
  const hidden = requireWeights(tensors, "both").length;
  const width = requireWeights(tensors, "project.weight").length / hidden;
  const passage = layer("project", input.passage, width).map(Math.tanh);
  const question = layer("project", input.question, width).map(Math.tanh);
  const merged = attend(tensors, passage, question);
  const flags = layer("flags", input.flags, NUM_FLAGS);
  const g = layer("merge", merged, 4 * hidden).map((value, i) => Math.tanh(value + flags[i]!));
  const first = bidirectionalGru(g, tensors, "first");
  const second = bidirectionalGru(first, tensors, "second");
  const rows = passage.length / hidden;
  const h = new Float32Array(2 * rows * hidden);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < hidden; i++) {
      h[2 * row * hidden + i] = g[row * hidden + i]! + first[row * hidden + i]!;
      h[(2 * row + 1) * hidden + i] = second[row * hidden + i]!;
    }
  const logits = (name: string) => layer(name, h, 2 * hidden);
  const pooled = pool(h, softmax(logits("pool")));
  const [none = 0] = layer("none_out", layer("none", pooled, 4 * hidden).map(Math.tanh));
  return { start: logits("start"), end: logits("end"), none };
}

function layersOf(tensors: Weights) {
  return (name: string, x: Float32Array, columns = x.length): Float32Array => {
    const bias = tensors.get(`${name}.bias`);
    const weight = requireWeights(tensors, `${name}.weight`);
    return linear(x, weight, { columns, ...(bias && { bias }) });
  };
}

/** [n, 4 · hidden]: each token of the passage, what of the question it attends to, and its products with that and with the passage's gist. */
function attend(tensors: Weights, passage: Float32Array, question: Float32Array): Float32Array {
  const layer = layersOf(tensors);
  const both = requireWeights(tensors, "both");
  const hidden = both.length;
  const [rows, asked] = [passage.length / hidden, question.length / hidden];
  const [ofPassage, ofQuestion] = [
    layer("passage", passage, hidden),
    layer("question", question, hidden),
  ];
  const similarity = linear(
    passage.map((value, i) => value * both[i % hidden]!),
    question,
    { columns: hidden },
  );
  const out = new Float32Array(4 * rows * hidden);
  const relevance = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const scores = similarity
      .subarray(row * asked, (row + 1) * asked)
      .map((value, j) => value + ofPassage[row]! + ofQuestion[j]!);
    relevance[row] = Math.max(...scores);
    const attended = mix(question, softmax(scores));
    for (let i = 0; i < hidden; i++) {
      const p = passage[row * hidden + i]!;
      out[4 * row * hidden + i] = p;
      out[(4 * row + 1) * hidden + i] = attended[i]!;
      out[(4 * row + 2) * hidden + i] = p * attended[i]!;
    }
  }
  const gist = mix(passage, softmax(relevance));
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < hidden; i++)
      out[(4 * row + 3) * hidden + i] = passage[row * hidden + i]! * gist[i]!;
  return out;
}

/** The rows' mean by weight, and behind it their maxima. */
function pool(rows: Float32Array, weights: Float32Array): Float32Array {
  const width = rows.length / weights.length;
  const most = new Float32Array(width).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < rows.length; i++) most[i % width] = Math.max(most[i % width]!, rows[i]!);
  return Float32Array.of(...mix(rows, weights), ...most);
}

function mix(rows: Float32Array, weights: Float32Array): Float32Array {
  const width = rows.length / weights.length;
  const out = new Float32Array(width);
  for (const [row, weight] of weights.entries())
    for (let i = 0; i < width; i++) out[i]! += weight * rows[row * width + i]!;
  return out;
}

function softmax(logits: Float32Array): Float32Array {
  const highest = logits.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
  const weights = logits.map((value) => Math.exp(value - highest));
  const total = weights.reduce((sum, value) => sum + value, 0);
  return weights.map((value) => value / total);
}
