// Products with small matrices and gated recurrent units (Cho et al., arXiv:1406.1078) on the host: a passage's few hundred
// tokens do not pay for a trip to the GPU.

import { requireWeights, type Weights } from "./pointerWeights.ts";

/** x Wᵀ + b for each of the rows of `x` [rows, columns of W]; [rows, rows of W]. */
export function linear(
  x: Float32Array,
  weight: Float32Array,
  { columns, bias }: { readonly columns: number; readonly bias?: Float32Array },
): Float32Array {
  const [rows, outputs] = [x.length / columns, weight.length / columns];
  const out = new Float32Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let o = 0;
    // Four sums at once do not wait for one another.
    for (; o + 4 <= outputs; o += 4) {
      let [a, b, c, d] = [0, 0, 0, 0];
      for (let i = 0, at = o * columns; i < columns; i++, at++) {
        const value = x[start + i]!;
        a += value * weight[at]!;
        b += value * weight[at + columns]!;
        c += value * weight[at + 2 * columns]!;
        d += value * weight[at + 3 * columns]!;
      }
      out.set([a, b, c, d], row * outputs + o);
    }
    for (; o < outputs; o++) {
      let sum = 0;
      for (let i = 0; i < columns; i++) sum += x[start + i]! * weight[o * columns + i]!;
      out[row * outputs + o] = sum;
    }
  }
  if (bias) for (let i = 0; i < out.length; i++) out[i] = out[i]! + bias[i % outputs]!;
  return out;
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
