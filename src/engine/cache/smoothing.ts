// SmoothAttention (QServe, arXiv:2405.04532): keys are divided and queries multiplied by λ = √max|k| of each dimension, so that
// no dimension of a key is far larger than the others when they are quantised together. One λ a KV head and dimension, the
// same for both dimensions that RoPE turns as a pair: then it makes no difference whether RoPE comes before or behind.

import type { RopeConfig } from "../model/decoderConfig.ts";

/** SmoothAttention's α. */
const EXPONENT = 0.5;
/** A dimension below this share of its head's largest is left at it: noise is not made as large as the rest. */
const SMALLEST_SHARE = 1e-3;

/** Largest magnitudes of each dimension of each head in keys [numKvHeads, length, headDim]. */
export function largestMagnitudes(
  keys: Float32Array,
  { numKvHeads, headDim }: { readonly numKvHeads: number; readonly headDim: number },
): Float32Array {
  const largest = new Float32Array(numKvHeads * headDim);
  const headValues = keys.length / numKvHeads;
  for (let i = 0; i < keys.length; i++) {
    const at = Math.floor(i / headValues) * headDim + (i % headDim);
    // In bounds by the loop.
    largest[at] = Math.max(largest[at]!, Math.abs(keys[i]!));
  }
  return largest;
}

/** λ [numKvHeads, headDim] from the largest magnitudes of each dimension, tied over RoPE's pairs. */
export function smoothingLambdas(
  largest: Float32Array,
  headDim: number,
  rope: Pick<RopeConfig, "dimension" | "pairing">,
): Float32Array {
  const lambdas = new Float32Array(largest.length);
  for (let start = 0; start < largest.length; start += headDim) {
    const head = largest.subarray(start, start + headDim);
    const least = SMALLEST_SHARE * Math.max(...head);
    for (let i = 0; i < headDim; i++) {
      const pair = Math.max(head[i] ?? 0, head[partnerOf(i, rope)] ?? 0);
      lambdas[start + i] = Math.max(pair, least) ** EXPONENT || 1;
    }
  }
  return lambdas;
}

/** The dimension that RoPE turns together with dimension `i`; itself where it is not turned. */
function partnerOf(i: number, { dimension, pairing }: Pick<RopeConfig, "dimension" | "pairing">) {
  if (i >= dimension) return i;
  if (pairing === "interleaved") return i ^ 1;
  return i < dimension / 2 ? i + dimension / 2 : i - dimension / 2;
}
