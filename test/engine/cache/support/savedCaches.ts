// Small made-up caches for tests of files and folders: no model, no GPU.

import type { Section } from "../../../../src/engine/cache/sectionFile.ts";
import type { CacheState } from "../../../../src/engine/cache/snapshot.ts";
import type { Snapshot, SnapshotFacts } from "../../../../src/engine/cache/snapshotFile.ts";
import type { SnapshotKey, SnapshotStore } from "../../../../src/engine/cache/snapshotStore.ts";

export const IDENTITY = { model: "abc", policy: "full", chunkLength: 32 };
export const TOKENS = [1, 70_000, 3];

export function stateOf(tokens: readonly number[]): CacheState {
  const { length } = tokens;
  const ids = Uint32Array.from(tokens);
  return { tokens: ids, length, headLengths: [[length]], listedTokens: [0], summedSlots: 0 };
}

export function factsOf(identity: SnapshotFacts["identity"] = IDENTITY): SnapshotFacts {
  const documents = [{ path: "book.txt", sha256: "0" }];
  const device = "a device";
  return { identity, device, documents, model: "m", policy: "full", tokensRead: 0, tokensKept: 3 };
}

/** Two sections of several pieces, other bytes for every `seed`. */
export function sectionsOf(seed = 0): Section[] {
  return [300, 500].map((bytes, section) => ({
    name: `rows/${section}`,
    pieces: [0, 1, 2].map((piece) =>
      Uint8Array.from({ length: bytes }, (_, i) => 7 * i + piece + section + seed),
    ),
  }));
}

export function snapshotOf(
  tokens: readonly number[] = TOKENS,
  { identity = IDENTITY, seed = 0 }: { identity?: SnapshotFacts["identity"]; seed?: number } = {},
): Snapshot & { bytes: number } {
  const sections = sectionsOf(seed);
  return { facts: factsOf(identity), state: stateOf(tokens), sections, bytes: 2400 };
}

/** Tokens and every piece of what is found; undefined for a miss. */
export function readAll(store: SnapshotStore, key: SnapshotKey) {
  return store.withLongest(key, async ({ file, state, tokens }) => {
    const sections = [];
    for (const name of ["rows/0", "rows/1"]) {
      const pieces = [];
      for (const piece of (file.sections.pieceBytes(name) ?? []).keys())
        pieces.push(Uint8Array.from(await file.sections.read(name, piece)));
      sections.push({ name, pieces });
    }
    return { path: file.path, bytes: file.bytes, state, tokens, sections };
  });
}
