// Each kernel in plain f64, one function a kernel, written to be obviously right.

import { type RopeTable, rotate } from "./rope.ts";

export interface Heads {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
}

/** x / sqrt(mean(x²) + epsilon) * weight for each row of `x` [rows, weight.length]. */
export function rmsNorm(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const size = weight.length;
  return x.map((value, index) => {
    const row = Math.floor(index / size);
    const values = x.subarray(row * size, (row + 1) * size);
    const meanSquare = values.reduce((sum, v) => sum + v * v, 0) / size;
    return (value / Math.sqrt(meanSquare + epsilon)) * at(weight, index % size);
  });
}

export function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

export function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** Queries and keys of `qkv` [tokens, heads] normed where norms are given, then rotated; values stay. */
export function ropeHeads(
  qkv: Float32Array,
  options: Heads & {
    readonly table: RopeTable;
    readonly pairing: "interleaved" | "half";
    readonly firstPosition: number;
    readonly norms?: { readonly q: Float32Array; readonly k: Float32Array; epsilon: number };
  },
): Float32Array {
  const { numHeads, numKvHeads, headDim, norms } = options;
  const heads = numHeads + 2 * numKvHeads;
  const result = qkv.slice();
  for (let row = 0; row < qkv.length / headDim; row++) {
    const head = row % heads;
    if (head >= numHeads + numKvHeads) continue;
    const position = options.firstPosition + Math.floor(row / heads);
    const values = qkv.subarray(row * headDim, (row + 1) * headDim);
    const norm = head < numHeads ? norms?.q : norms?.k;
    const normed = norm && norms ? rmsNorm(values, norm, norms.epsilon) : values;
    const rotated = rotate(Float64Array.from(normed), position, options.table, options.pairing);
    result.set(rotated, row * headDim);
  }
  return result;
}

export interface AttentionInput extends Heads {
  /** [tokens, numHeads, headDim] */
  readonly queries: Float32Array;
  /** [numKvHeads, length, headDim], the queries' own keys last. */
  readonly keys: Float32Array;
  readonly values: Float32Array;
  readonly length: number;
  readonly scale: number;
  /** 0: all. */
  readonly window: number;
  /** Slots that each KV head keeps, the last ones; absent: all. */
  readonly kept?: readonly number[];
}

/** Causal softmax attention, row by row: output [tokens, numHeads, headDim], natural log-sum-exps [tokens, numHeads]. */
export function attention(input: AttentionInput): { output: Float32Array; lse: Float64Array } {
  const { queries, keys, values, length, scale, window, numHeads, numKvHeads, headDim } = input;
  const tokens = queries.length / (numHeads * headDim);
  const output = new Float32Array(queries.length);
  const lse = new Float64Array(tokens * numHeads);
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < numHeads; head++) {
      const query = (token * numHeads + head) * headDim;
      const cache = Math.floor(head / (numHeads / numKvHeads)) * length;
      const last = length - tokens + token;
      const kept = input.kept?.[Math.floor(head / (numHeads / numKvHeads))] ?? length;
      const first = Math.max(length - kept, window === 0 ? 0 : last - window + 1);
      const scores: number[] = [];
      for (let slot = first; slot <= last; slot++) {
        let score = 0;
        for (let d = 0; d < headDim; d++) {
          score += at(queries, query + d) * at(keys, (cache + slot) * headDim + d);
        }
        scores.push(score * scale);
      }
      const largest = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - largest));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      lse[token * numHeads + head] = largest + Math.log(total);
      for (let d = 0; d < headDim; d++) {
        const sum = weights.reduce(
          (part, weight, i) => part + weight * at(values, (cache + first + i) * headDim + d),
          0,
        );
        output[query + d] = sum / total;
      }
    }
  }
  return { output, lse };
}

export function at<T>(values: ArrayLike<T>, index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`index ${index} of ${values.length}`);
  return value;
}
