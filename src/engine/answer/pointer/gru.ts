// Products with small matrices and gated recurrent units (Cho et al., arXiv:1406.1078) on the host: a passage's few hundred
// tokens do not pay for a trip to the GPU.

import { requireWeights, type Weights } from "./pointerWeights.ts";

/** x Wᵀ + b for each of the rows of `x` [rows, columns of W]; [rows, rows of W]. */
export function linear(
  x: Float32Array,
  weight: Float32Array,
  { columns, bias }: { readonly columns: number; readonly bias?: Float32Array },
): Float32Array {
  const rows = x.length / columns;
  const out = new Float32Array((rows * weight.length) / columns);
  // Two rows share the weights that are loaded.
  const paired = rows - (rows % 2);
  for (let row = 0; row < paired; row += 2) multiplyPair(x, weight, { columns, row, out });
  if (paired < rows) multiplyRow(x, weight, { columns, row: paired, out });
  if (bias) for (let i = 0; i < out.length; i++) out[i] = out[i]! + bias[i % bias.length]!;
  return out;
}

interface Product {
  readonly columns: number;
  /** The first row of `x` that is multiplied. */
  readonly row: number;
  readonly out: Float32Array;
}

// Four sums of a row at once do not wait for one another. Destructured, these loops take twice as long.
function multiplyPair(x: Float32Array, weight: Float32Array, { columns, row, out }: Product): void {
  const outputs = weight.length / columns;
  const above = row * columns;
  const below = above + columns;
  const second = (row + 1) * outputs;
  const first = row * outputs;
  let o = 0;
  for (; o + 4 <= outputs; o += 4) {
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let e = 0;
    let f = 0;
    let g = 0;
    let h = 0;
    for (let i = 0, at = o * columns; i < columns; i++, at++) {
      const p = x[above + i]!;
      const q = x[below + i]!;
      const s = weight[at]!;
      const t = weight[at + columns]!;
      const u = weight[at + 2 * columns]!;
      const v = weight[at + 3 * columns]!;
      a += p * s;
      b += p * t;
      c += p * u;
      d += p * v;
      e += q * s;
      f += q * t;
      g += q * u;
      h += q * v;
    }
    out.set([a, b, c, d], first + o);
    out.set([e, f, g, h], second + o);
  }
  for (; o < outputs; o++) {
    out[first + o] = dot(x, above, { weight, at: o * columns, columns });
    out[second + o] = dot(x, below, { weight, at: o * columns, columns });
  }
}

function multiplyRow(x: Float32Array, weight: Float32Array, { columns, row, out }: Product): void {
  const outputs = weight.length / columns;
  const start = row * columns;
  let o = 0;
  for (; o + 4 <= outputs; o += 4) {
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0, at = o * columns; i < columns; i++, at++) {
      const value = x[start + i]!;
      a += value * weight[at]!;
      b += value * weight[at + columns]!;
      c += value * weight[at + 2 * columns]!;
      d += value * weight[at + 3 * columns]!;
    }
    out.set([a, b, c, d], row * outputs + o);
  }
  for (; o < outputs; o++)
    out[row * outputs + o] = dot(x, start, { weight, at: o * columns, columns });
}

function dot(
  x: Float32Array,
  start: number,
  { weight, at, columns }: { weight: Float32Array; at: number; columns: number },
): number {
  let sum = 0;
  for (let i = 0; i < columns; i++) sum += x[start + i]! * weight[at + i]!;
  return sum;
}

/** Both directions of a layer over the rows of `x` [rows, 2 · units], side by side [rows, 2 · units]; `name` as in PyTorch. */
export function bidirectionalGru(x: Float32Array, weights: Weights, name: string): Float32Array {
  // [3 · units, units]
  const units = Math.sqrt(requireWeights(weights, `${name}.weight_hh_l0`).length / 3);
  const rows = x.length / (2 * units);
  const out = new Float32Array(rows * 2 * units);
  for (const [direction, suffix] of ["", "_reverse"].entries()) {
    const of = (part: string) => requireWeights(weights, `${name}.${part}_l0${suffix}`);
    const gates = linear(x, of("weight_ih"), { columns: 2 * units, bias: of("bias_ih") });
    const [recurrent, bias] = [of("weight_hh"), of("bias_hh")];
    let state = new Float32Array(units);
    for (let step = 0; step < rows; step++) {
      const row = direction === 0 ? step : rows - 1 - step;
      const input = gates.subarray(row * 3 * units, (row + 1) * 3 * units);
      const before = linear(state, recurrent, { columns: units, bias });
      const next = new Float32Array(units);
      for (let i = 0; i < units; i++) {
        const reset = sigmoid(input[i]! + before[i]!);
        const update = sigmoid(input[units + i]! + before[units + i]!);
        const fresh = Math.tanh(input[2 * units + i]! + reset * before[2 * units + i]!);
        next[i] = (1 - update) * fresh + update * state[i]!;
      }
      out.set(next, row * 2 * units + direction * units);
      state = next;
    }
  }
  return out;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
