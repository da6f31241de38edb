// A saved cache as a file of sections: what it was made of, its token ids and the hashes of their blocks, its rows and
// whatever parts belong to it. Whatever is not exactly as written reads as a miss.

import { DamagedError, type Section, SectionFile, type SectionSource } from "./sectionFile.ts";
import type { CacheState } from "./snapshot.ts";
import { BLOCK_HASH_BYTES, blockHashes } from "./tokenBlocks.ts";

const TOKENS = "tokens";
const BLOCKS = "blocks";
const PIECE_BYTES = 512 * 1024;

export interface SavedDocument {
  readonly path: string;
  readonly sha256: string;
}

/** What is saved about a cache, for finding and listing it. */
export interface SnapshotFacts {
  /** All that the cache's contents depend on beside its tokens. */
  readonly identity: Readonly<Record<string, string | number | null>>;
  /** Digest of adapter, driver and kernels that computed it, see `deviceDigest`. */
  readonly device: string;
  readonly model: string;
  readonly policy: string;
  readonly documents: readonly SavedDocument[];
  readonly tokensRead: number;
  readonly tokensKept: number;
}

/** A cache to be saved. */
export interface Snapshot {
  readonly facts: SnapshotFacts;
  readonly state: CacheState;
  /** Its rows and parts. */
  readonly sections: readonly Section[];
}

interface Header extends SnapshotFacts {
  readonly counters: Omit<CacheState, "tokens">;
}

/** Header and sections of a snapshot, as they are written. */
export function encodeSnapshot({ facts, state, sections }: Snapshot): {
  header: unknown;
  sections: readonly Section[];
} {
  const { tokens, ...counters } = state;
  // The token ids are read by this count.
  const header: Header = { ...facts, counters, tokensRead: tokens.length };
  return {
    header,
    sections: [
      { name: TOKENS, pieces: cut(new Uint8Array(Uint32Array.from(tokens).buffer)) },
      { name: BLOCKS, pieces: cut(blockHashes(tokens)) },
      ...sections,
    ],
  };
}

/** An open saved cache; the caller closes it. */
export class SnapshotFile {
  readonly path: string;
  readonly facts: SnapshotFacts;
  readonly sections: SectionSource;
  readonly #file: SectionFile;
  readonly #counters: Header["counters"];

  private constructor(path: string, file: SectionFile) {
    this.path = path;
    this.#file = file;
    this.sections = file;
    // Its digest says that this program wrote it.
    const { counters, ...facts } = file.header as Header;
    this.#counters = counters;
    this.facts = facts;
  }

  /** Undefined for anything but a whole file of this version. Its pieces are checked when they are read. */
  static async open(path: string): Promise<SnapshotFile | undefined> {
    const file = await SectionFile.open(path);
    return file && new SnapshotFile(path, file);
  }

  get bytes(): number {
    return this.#file.bytes;
  }

  /** Throws DamagedError. */
  async state(): Promise<CacheState> {
    const bytes = await this.#whole(TOKENS);
    const tokens = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    if (tokens.length !== this.facts.tokensRead) throw new DamagedError("token ids are missing");
    return { tokens, ...this.#counters };
  }

  /** Hashes of the blocks of its tokens, see `blockHashes`. Throws DamagedError. */
  async blocks(): Promise<Uint8Array> {
    const blocks = await this.#whole(BLOCKS);
    if (blocks.length % BLOCK_HASH_BYTES !== 0) throw new DamagedError("block hashes are cut off");
    return blocks;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #whole(name: string): Promise<Uint8Array> {
    const pieces = this.#file.pieceBytes(name) ?? [];
    const whole = new Uint8Array(pieces.reduce((sum, bytes) => sum + bytes, 0));
    let at = 0;
    for (const piece of pieces.keys()) {
      const bytes = await this.#file.read(name, piece);
      whole.set(bytes, at);
      at += bytes.length;
    }
    return whole;
  }
}

function cut(bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES)
    pieces.push(bytes.subarray(at, at + PIECE_BYTES));
  return pieces;
}
