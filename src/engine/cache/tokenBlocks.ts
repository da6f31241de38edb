// Token ids cut into blocks of 64, each named by a hash over it and all before it: equal names, equal beginnings.

import { createHash } from "node:crypto";

export const BLOCK_TOKENS = 64;
export const BLOCK_HASH_BYTES = 32;

/** The hash of every whole block of `tokens`, one behind the other: [blocks, 32 bytes]. */
export function blockHashes(tokens: ArrayLike<number>): Buffer {
  const ids = Uint32Array.from(tokens);
  const hashes: Buffer[] = [];
  let before: Buffer = Buffer.alloc(BLOCK_HASH_BYTES);
  for (let end = BLOCK_TOKENS; end <= ids.length; end += BLOCK_TOKENS) {
    const block = ids.subarray(end - BLOCK_TOKENS, end);
    before = createHash("sha256").update(before).update(block).digest();
    hashes.push(before);
  }
  return Buffer.concat(hashes);
}

/** How many tokens two lists of block hashes begin with alike. */
export function sharedBlockTokens(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length) / BLOCK_HASH_BYTES;
  const hash = (of: Uint8Array, block: number) =>
    of.subarray(block * BLOCK_HASH_BYTES, (block + 1) * BLOCK_HASH_BYTES);
  let blocks = 0;
  while (blocks < common && Buffer.compare(hash(a, blocks), hash(b, blocks)) === 0) blocks++;
  return blocks * BLOCK_TOKENS;
}
