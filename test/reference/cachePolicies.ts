// Cache policies by dense attention on the CPU: what each query of a stream attends to among the tokens a head still has,
// and the scores that follow from it. Written to be obviously right.

import type { CachePolicyId } from "../../src/engine/cache/policies/index.ts";
import { type ExpectedRope, expectedAttention, normed } from "./expectedAttention.ts";
import { at, type Heads } from "./operations.ts";

export interface StreamHeads extends Heads {
  readonly scale: number;
  /** For expected attention: how queries turn, the weights of QK-norm, and the slots its softmax leaves out. */
  readonly expected?: { rope: ExpectedRope; norms: Float32Array; sinks: number };
}

const OBSERVATION_WINDOW = 64;
const POOL = 5;
const SKIPPED_QUERIES = 4;

/** One layer's queries, keys and values, all tokens: [tokens, heads, headDim]. */
export interface Stream {
  readonly queries: Float32Array;
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** What one KV head went through. */
export class ReferenceHead {
  /** Attention each token received, by its place in the document. */
  readonly #sums = new Map<number, number>();
  /** The most that a repeat attended to each token. */
  readonly #maxima = new Map<number, number>();
  readonly #stream: Stream;
  readonly #heads: StreamHeads;
  readonly #head: number;

  constructor(stream: Stream, heads: StreamHeads, head: number) {
    this.#stream = stream;
    this.#heads = heads;
    this.#head = head;
  }

  /** Softmax weights of the query of `token` over `slots` (tokens, its own included), mean over the GQA group. */
  weights(token: number, slots: readonly number[]): number[] {
    const { numHeads, numKvHeads, headDim, scale } = this.#heads;
    const group = numHeads / numKvHeads;
    const mean = slots.map(() => 0);
    for (let g = 0; g < group; g++) {
      const query = (token * numHeads + this.#head * group + g) * headDim;
      const scores = slots.map((slot) => {
        let score = 0;
        for (let d = 0; d < headDim; d++)
          score += at(this.#stream.queries, query + d) * this.#key(slot, d);
        return score * scale;
      });
      const largest = Math.max(...scores);
      const exponentials = scores.map((score) => Math.exp(score - largest));
      const total = exponentials.reduce((a, b) => a + b, 0);
      for (const [i, value] of exponentials.entries())
        mean[i] = at(mean, i) + value / total / group;
    }
    return mean;
  }

  /** Add what every `stride`-th query of a chunk attends to; `slots` are the tokens held, those of the chunk last. */
  record(first: number, end: number, slots: readonly number[], stride: number): void {
    for (let token = first + stride - 1; token < end; token += stride) {
      const seen = slots.filter((slot) => slot <= token);
      for (const [i, weight] of this.weights(token, seen).entries()) {
        const slot = at(seen, i);
        this.#sums.set(slot, (this.#sums.get(slot) ?? 0) + weight);
      }
    }
  }

  /**
   * Note what the queries of a repeat attend to in the piece they repeat, slots `first` to `end` of those held: the softmax
   * is over sinks, the piece and the repeat so far.
   */
  repeat(
    repeat: Stream,
    slots: readonly number[],
    { first, end, sinks }: { first: number; end: number; sinks: number },
  ): void {
    const { numHeads, numKvHeads, headDim, scale } = this.#heads;
    const group = numHeads / numKvHeads;
    const cached = [...slots.slice(0, Math.min(sinks, first)), ...slots.slice(first, end)];
    for (let token = 0; token < repeat.queries.length / (numHeads * headDim); token++)
      for (let g = 0; g < group; g++) {
        const query = (token * numHeads + this.#head * group + g) * headDim;
        const score = (key: (d: number) => number): number => {
          let sum = 0;
          for (let d = 0; d < headDim; d++) sum += at(repeat.queries, query + d) * key(d);
          return sum * scale;
        };
        const ofCached = cached.map((slot) => score((d) => this.#key(slot, d)));
        const ofRepeat = Array.from({ length: token + 1 }, (_, other) =>
          score((d) => at(repeat.keys, (other * numKvHeads + this.#head) * headDim + d)),
        );
        const largest = Math.max(...ofCached, ...ofRepeat);
        const total = [...ofCached, ...ofRepeat].reduce((t, s) => t + Math.exp(s - largest), 0);
        for (const [i, slot] of cached.entries()) {
          if (i < Math.min(sinks, first)) continue;
          const weight = Math.exp(at(ofCached, i) - largest) / total;
          this.#maxima.set(slot, Math.max(this.#maxima.get(slot) ?? 0, weight));
        }
      }
  }

  /** Scores of the tokens held, under a policy, when `end` tokens were read and the last eviction was at `begin`. */
  scores(policy: CachePolicyId, slots: readonly number[], begin: number, end: number): number[] {
    const norm = (read: (slot: number, d: number) => number, slot: number): number => {
      let squares = 0;
      for (let d = 0; d < this.#heads.headDim; d++) squares += read(slot, d) ** 2;
      return Math.sqrt(squares);
    };
    const key = this.#key.bind(this);
    const sum = (slot: number): number => this.#sums.get(slot) ?? 0;
    switch (policy) {
      case "full":
      case "streaming-llm":
        return slots.map((slot) => slot);
      case "h2o":
        return slots.map(sum);
      case "kvzip":
        return slots.map((slot) => this.#maxima.get(slot) ?? 0);
      case "expected-attention": {
        const weights = this.#expectedWeights(slots, begin, end);
        return slots.map((slot, i) => at(weights, i) * norm(this.#value.bind(this), slot));
      }
      case "observed-attention":
        return slots.map((slot) => sum(slot) / (end - slot));
      case "tova":
        return this.weights(end - 1, slots);
      case "snapkv": {
        const window = slots.map(() => 0);
        for (let token = Math.max(begin, end - OBSERVATION_WINDOW); token < end; token++) {
          const seen = slots.filter((slot) => slot <= token);
          for (const [i, weight] of this.weights(token, seen).entries())
            window[i] = at(window, i) + weight;
        }
        return window.map((_, i) => {
          const near = window.slice(Math.max(0, i - (POOL - 1) / 2), i + (POOL - 1) / 2 + 1);
          return near.reduce((a, b) => a + b, 0) / POOL;
        });
      }
      case "key-norm":
        return slots.map((slot) => -norm(key, slot));
      case "value-norm":
        return slots.map((slot) => sum(slot) / Math.max(norm(this.#value.bind(this), slot), 1e-20));
      case "key-diff": {
        const lengths = slots.map((slot) => Math.max(norm(key, slot), 1e-20));
        const anchor = Array.from({ length: this.#heads.headDim }, (_, d) =>
          slots.reduce((total, slot, i) => total + key(slot, d) / at(lengths, i), 0),
        );
        const anchorLength = Math.max(Math.sqrt(anchor.reduce((t, x) => t + x * x, 0)), 1e-20);
        return slots.map((slot, i) => {
          const product = anchor.reduce((total, x, d) => total + x * key(slot, d), 0);
          return -product / at(lengths, i) / anchorLength;
        });
      }
      default:
        return policy satisfies never;
    }
  }

  /** Mean over the group of the weights that queries like those of tokens `begin` to `end` would give. */
  #expectedWeights(slots: readonly number[], begin: number, end: number): number[] {
    const { numHeads, numKvHeads, headDim, scale, expected } = this.#heads;
    if (expected === undefined) throw new Error("expected attention needs to know RoPE");
    const { rope, norms, sinks } = expected;
    const group = numHeads / numKvHeads;
    const keys = slots
      .slice(sinks)
      .map((slot) => Array.from({ length: headDim }, (_, d) => this.#key(slot, d)));
    const mean = keys.map(() => 0);
    for (let g = 0; g < group; g++) {
      const queries: number[][] = [];
      for (let token = Math.max(SKIPPED_QUERIES, begin); token < end; token++) {
        const start = (token * numHeads + this.#head * group + g) * headDim;
        const query = [...this.#stream.queries.subarray(start, start + headDim)];
        queries.push(rope.hasQkNorm ? normed(query, norms, rope.epsilon) : query);
      }
      const weights = expectedAttention(queries, keys, { rope, scale, position: end });
      for (const [i, weight] of weights.entries()) mean[i] = at(mean, i) + weight / group;
    }
    return [...slots.slice(0, sinks).map(() => 1), ...mean];
  }

  #key(slot: number, d: number): number {
    const { numKvHeads, headDim } = this.#heads;
    return at(this.#stream.keys, (slot * numKvHeads + this.#head) * headDim + d);
  }

  #value(slot: number, d: number): number {
    const { numKvHeads, headDim } = this.#heads;
    return at(this.#stream.values, (slot * numKvHeads + this.#head) * headDim + d);
  }
}

/** Indexes of the slots to keep: sinks, recent ones, then the highest scores; of equal ones the lower index. */
export function keptSlots(
  scores: readonly number[],
  { budget, sinks, recent }: { budget: number; sinks: number; recent: number },
): number[] {
  const all = scores.map((_, i) => i);
  const isProtected = (i: number): boolean => i < sinks || i >= scores.length - recent;
  const ranked = all.filter((i) => !isProtected(i)).sort((a, b) => at(scores, b) - at(scores, a));
  const chosen = new Set([...all.filter(isProtected), ...ranked.slice(0, budget - sinks - recent)]);
  return all.filter((i) => chosen.has(i));
}
