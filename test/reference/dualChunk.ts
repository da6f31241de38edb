// Dual chunk attention (arXiv:2402.17463) by its definition: which place a key and a query have for each other.

export interface DualChunk {
  readonly chunkLength: number;
  readonly chunkSize: number;
}

export function chunkOf({ chunkLength }: DualChunk, position: number): number {
  return Math.floor(position / chunkLength);
}

export function keyPlace({ chunkLength }: DualChunk, position: number): number {
  return position % chunkLength;
}

/** Of a query, for keys of its own chunk (0), of the one before (1), or of any earlier one (2). */
export function queryPlace(dual: DualChunk, position: number, chunks: number): number {
  const place = keyPlace(dual, position);
  if (chunks === 0) return place;
  return chunks === 1 ? Math.min(place + dual.chunkLength, dual.chunkSize) : dual.chunkSize;
}

/** How far a key seems to be from a query behind it. */
export function distance(dual: DualChunk, query: number, key: number): number {
  const chunks = Math.min(2, chunkOf(dual, query) - chunkOf(dual, key));
  return queryPlace(dual, query, chunks) - keyPlace(dual, key);
}
