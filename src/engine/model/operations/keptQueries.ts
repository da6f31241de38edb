// Where decoding keeps the queries of generated tokens for whoever looks at them later.

/** Rows of the ring: steps ahead of what is known, and a batch of those recorded together or the largest observation window. */
export const KEPT_QUERIES = 128;

/** A layer's ring. */
export interface KeptQueries {
  /** [KEPT_QUERIES, qkvSize]: queries alone are written. */
  readonly queries: GPUBuffer;
  /** [KEPT_QUERIES, numHeads], base 2; written where queries are those of attention. */
  readonly lse: GPUBuffer;
  /** Uniform: the slot of the first row. */
  readonly generation: GPUBuffer;
}
