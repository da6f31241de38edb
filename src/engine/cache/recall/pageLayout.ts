// How the rows of evicted tokens lie in a page: of one layer and KV head the keys, the values and the tokens' places in the
// document, as the cache held them.

import { type CacheTypeId, rowBytes } from "../types.ts";

/** Tokens of a page. Quest takes 16, ArkVale 32. */
export const PAGE_TOKENS = 32;

export interface PageLayout {
  readonly numKvHeads: number;
  readonly headDim: number;
  /** Bytes of a row. */
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Where a record's values and positions begin; keys are first. */
  readonly valuesAt: number;
  readonly positionsAt: number;
  /** Bytes of a page of one head, and of all heads. */
  readonly recordBytes: number;
  readonly pageBytes: number;
}

export function pageLayout(shape: {
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly keyType: CacheTypeId;
  readonly valueType: CacheTypeId;
}): PageLayout {
  const { numKvHeads, headDim } = shape;
  const keyBytes = rowBytes(shape.keyType, headDim);
  const valueBytes = rowBytes(shape.valueType, headDim);
  const valuesAt = PAGE_TOKENS * keyBytes;
  const positionsAt = valuesAt + PAGE_TOKENS * valueBytes;
  const recordBytes = positionsAt + PAGE_TOKENS * 4;
  const rows = { keyBytes, valueBytes, valuesAt, positionsAt };
  return { numKvHeads, headDim, ...rows, recordBytes, pageBytes: numKvHeads * recordBytes };
}

/** Pages that so many tokens fill. */
export function pagesOf(tokens: number): number {
  return Math.ceil(tokens / PAGE_TOKENS);
}
