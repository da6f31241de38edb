// Evicted pages as part of a saved cache. Summaries are restored at once, pages are read from the file when a question chooses
// them.

import { readAhead } from "../readAhead.ts";
import { DamagedError, type Section, type SectionSource } from "../sectionFile.ts";
import type { SnapshotPart } from "../snapshot.ts";
import type { PageBounds } from "./pageBounds.ts";
import { pagesOf } from "./pageLayout.ts";
import type { BlockFacts, PageStore } from "./pageStore.ts";

/** Pages that are written and checked together. */
const PIECE_PAGES = 4;
/** Pages whose summaries are. */
const BOUNDS_PIECE_PAGES = 512;
const PIECES_AHEAD = 4;

const INDEX = "pages/index";

export interface SavedPagesParts {
  readonly store: PageStore;
  readonly bounds: PageBounds;
  /** Tokens the cache stands for. */
  readonly tokensRead: () => number;
  /** Resolves when all pages have left the GPU. */
  readonly settled: () => Promise<void>;
}

export class SavedPages implements SnapshotPart {
  readonly #parts: SavedPagesParts;
  /** The file that pages are still read from. */
  #source: SectionSource | undefined;

  constructor(parts: SavedPagesParts) {
    this.#parts = parts;
  }

  capture(): readonly Section[] {
    const { store, bounds, settled } = this.#parts;
    const layers = Array.from({ length: store.numLayers }, (_, layer) => layer);
    async function* index() {
      await settled();
      const blocks = layers.map((layer) =>
        store.blocks(layer).map(({ end, tokens }) => ({ end, tokens })),
      );
      yield new Uint8Array(Buffer.from(JSON.stringify(blocks)));
    }
    async function* summaries(layer: number) {
      await settled();
      const numPages = store.numPages(layer);
      for (let first = 0; first < numPages; first += BOUNDS_PIECE_PAGES)
        yield await bounds.read(layer, first, Math.min(BOUNDS_PIECE_PAGES, numPages - first));
    }
    async function* records(layer: number) {
      await settled();
      const numPages = store.numPages(layer);
      const firsts = Array.from(
        { length: Math.ceil(numPages / PIECE_PAGES) },
        (_, piece) => piece * PIECE_PAGES,
      );
      yield* readAhead(firsts, PIECES_AHEAD, async (first) => {
        const count = Math.min(PIECE_PAGES, numPages - first);
        const pages = Array.from({ length: count }, (_, i) => store.read(layer, first + i));
        return new Uint8Array(Buffer.concat(await Promise.all(pages)));
      });
    }
    return [
      { name: INDEX, pieces: index() },
      ...layers.map((layer) => ({ name: boundsOf(layer), pieces: summaries(layer) })),
      ...layers.map((layer) => ({ name: recordsOf(layer), pieces: records(layer) })),
    ];
  }

  fits(sections: SectionSource): boolean {
    const { store, bounds } = this.#parts;
    const { pageBytes } = store.layout;
    if (sections.pieceBytes(INDEX)?.length !== 1) return false;
    return Array.from({ length: store.numLayers }).every((_, layer) => {
      const records = sections.pieceBytes(recordsOf(layer));
      const summaries = sections.pieceBytes(boundsOf(layer));
      const pages = (records ?? []).reduce((sum, bytes) => sum + bytes / pageBytes, 0);
      return (
        isCutInto(records, { pages, piece: PIECE_PAGES, bytes: pageBytes }) &&
        isCutInto(summaries, { pages, piece: BOUNDS_PIECE_PAGES, bytes: bounds.pageBytes })
      );
    });
  }

  async restore(sections: SectionSource): Promise<void> {
    const { store, bounds, settled } = this.#parts;
    await settled();
    store.dropBehind(-1);
    store.reopen();
    const layers = readIndex(await sections.read(INDEX, 0));
    const numPages = layers.map((blocks) =>
      blocks.reduce((sum, { tokens }) => sum + pagesOf(tokens), 0),
    );
    for (let layer = 0; layer < store.numLayers; layer++) {
      const pieces = sections.pieceBytes(recordsOf(layer))?.length;
      if (Math.ceil((numPages[layer] ?? 0) / PIECE_PAGES) !== pieces)
        throw new DamagedError("the index of evicted pages does not fit them");
    }
    await bounds.reserve(Math.max(...numPages), 0);
    for (let layer = 0; layer < store.numLayers; layer++) {
      const name = boundsOf(layer);
      for (const piece of (sections.pieceBytes(name) ?? []).keys())
        bounds.write(layer, piece * BOUNDS_PIECE_PAGES, await sections.read(name, piece));
    }
    await this.#release();
    sections.retain();
    this.#source = sections;
    for (const [layer, blocks] of layers.entries()) {
      let firstPage = 0;
      for (const block of blocks) {
        store.add(layer, { ...block, readPage: this.#reader(sections, layer, firstPage) });
        firstPage += pagesOf(block.tokens);
      }
    }
  }

  pin(): () => void {
    const { store, tokensRead } = this.#parts;
    const pinned = tokensRead();
    return () => store.dropBehind(pinned);
  }

  /** Close the file that pages came from. */
  dispose(): Promise<void> {
    return this.#release();
  }

  async #release(): Promise<void> {
    const source = this.#source;
    this.#source = undefined;
    await source?.close();
  }

  #reader(sections: SectionSource, layer: number, firstPage: number) {
    const { pageBytes } = this.#parts.store.layout;
    return async (index: number): Promise<Uint8Array> => {
      const page = firstPage + index;
      const piece = await sections.read(recordsOf(layer), Math.floor(page / PIECE_PAGES));
      const at = (page % PIECE_PAGES) * pageBytes;
      return piece.subarray(at, at + pageBytes);
    };
  }
}

/** What evictions dropped of each layer. */
function readIndex(bytes: Uint8Array): readonly (readonly BlockFacts[])[] {
  // Its digest says that `capture` wrote it.
  return JSON.parse(Buffer.from(bytes).toString()) as readonly (readonly BlockFacts[])[];
}

/** Whether pieces of so many `bytes` a page, `piece` pages each, hold so many pages. */
function isCutInto(
  pieces: readonly number[] | undefined,
  { pages, piece, bytes }: { pages: number; piece: number; bytes: number },
): boolean {
  return (
    pieces?.length === Math.ceil(pages / piece) &&
    pieces.every((size, i) => size === bytes * Math.min(piece, pages - i * piece))
  );
}

function boundsOf(layer: number): string {
  return `pages/bounds/${layer}`;
}

function recordsOf(layer: number): string {
  return `pages/records/${layer}`;
}
