// The span pointer: where in a passage the answer to a question begins and ends, from the hidden states of the language model.
// Attention flows between passage and question as in BiDAF (Seo et al., arXiv:1611.01603); start and end point into the passage
// (Wang and Jiang, arXiv:1608.07905). Whether there is an answer depends on what the question's words meet near the likeliest
// ones, too: each is compared with what it attends to there, as in Parikh et al., arXiv:1606.01933. The model's own prediction
// of an answer has learnt its training questions by heart; the pointer, with a fiftieth of the weights over states that knew
// nothing of the question, has not.

import { bidirectionalGru, linear } from "./gru.ts";
import { type PointerWeights, requireWeights, type Weights } from "./pointerWeights.ts";
import { highest, meanOf, mix, softmax } from "./rows.ts";

/** Words of a token, see `wordFlags`. */
export const NUM_FLAGS = 5;
/** Tokens in which nearness to an answer falls to 1/e, and what is left of it far away; training/pointer_network.py has the same. */
const NEAR = 12;
const FAR = 1e-4;

export interface PointerInput {
  /** States of the passage's tokens [n, width], every layer's part of a row with a mean square of 1. */
  readonly passage: Float32Array;
  /** Those of the question's [k, width]. */
  readonly question: Float32Array;
  /** [n, NUM_FLAGS] */
  readonly flags: Float32Array;
  /** What the passage says of the question's words [k, NUM_FLAGS]. */
  readonly questionFlags: Float32Array;
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
  const { merged, similarity } = attend(tensors, passage, question);
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
  const [start, end] = [logits("start"), logits("end")];
  const [ofStart, ofEnd] = [softmax(start), softmax(end)];
  const likely = ofStart.map((p, i) => (p + ofEnd[i]!) / 2);
  const checked = check(tensors, { passage, question, similarity, likely, input });
  const pooled = Float32Array.of(
    ...mix(h, likely),
    ...mix(h, softmax(logits("pool"))),
    ...highest(h, 2 * hidden),
    ...meanOf(checked, hidden),
    ...highest(checked, hidden),
  );
  const [none = 0] = layer("none_out", layer("none", pooled).map(Math.tanh));
  return { start, end, none };
}

function layersOf(tensors: Weights) {
  return (name: string, x: Float32Array, columns = x.length): Float32Array => {
    const bias = tensors.get(`${name}.bias`);
    const weight = requireWeights(tensors, `${name}.weight`);
    return linear(x, weight, { columns, ...(bias && { bias }) });
  };
}

/**
 * Each token of the passage, what of the question it attends to, and its products with that and with the passage's gist
 * [n, 4 · hidden]; and how alike the tokens of both are [n, k].
 */
function attend(
  tensors: Weights,
  passage: Float32Array,
  question: Float32Array,
): { readonly merged: Float32Array; readonly similarity: Float32Array } {
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
    const scores = similarity.subarray(row * asked, (row + 1) * asked);
    for (let j = 0; j < asked; j++) scores[j] = scores[j]! + ofPassage[row]! + ofQuestion[j]!;
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
  return { merged: out, similarity };
}

interface Checking {
  readonly passage: Float32Array;
  readonly question: Float32Array;
  /** [n, k] */
  readonly similarity: Float32Array;
  /** How likely an answer begins or ends at each token [n]. */
  readonly likely: Float32Array;
  readonly input: PointerInput;
}

/** What becomes of each word of the question beside what it finds near the likeliest answers [k, hidden]. */
function check(
  tensors: Weights,
  { passage, question, similarity, likely, input }: Checking,
): Float32Array {
  const layer = layersOf(tensors);
  const rows = likely.length;
  const hidden = passage.length / rows;
  const asked = question.length / hidden;
  const [weight = 0] = requireWeights(tensors, "near");
  const near = nearness(likely).map((value) => weight * Math.log(value + FAR));
  const compared = new Float32Array(4 * asked * hidden);
  for (let j = 0; j < asked; j++) {
    const found = mix(passage, softmax(near.map((value, i) => value + similarity[i * asked + j]!)));
    for (let i = 0; i < hidden; i++) {
      const [q, f] = [question[j * hidden + i]!, found[i]!];
      compared[4 * j * hidden + i] = q;
      compared[(4 * j + 1) * hidden + i] = f;
      compared[(4 * j + 2) * hidden + i] = q * f;
      compared[(4 * j + 3) * hidden + i] = Math.abs(q - f);
    }
  }
  const flags = layer("check_flags", input.questionFlags, NUM_FLAGS);
  return layer("check", compared, 4 * hidden).map((value, i) => Math.tanh(value + flags[i]!));
}

/** Of each token the sum of what is likely, less with the distance: a filter of two passes instead of all pairs. */
function nearness(likely: Float32Array): Float32Array {
  const fall = Math.exp(-1 / NEAR);
  const out = new Float32Array(likely.length);
  let behind = 0;
  for (let i = 0; i < likely.length; i++) {
    behind = behind * fall + likely[i]!;
    out[i] = behind;
  }
  let ahead = 0;
  for (let i = likely.length - 1; i >= 0; i--) {
    out[i] = out[i]! + ahead;
    ahead = (ahead + likely[i]!) * fall;
  }
  return out;
}
