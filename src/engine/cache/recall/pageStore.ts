// Pages of evicted rows off the GPU. What one eviction dropped of a layer is a block of pages; blocks never change once they are
// there. Beyond a limit the oldest blocks move from memory to a file.

import type { PageFile } from "./pageFile.ts";
import { PAGE_TOKENS, type PageLayout, pagesOf } from "./pageLayout.ts";

/** What one eviction dropped of a layer: records [pages, KV heads], in memory or read page by page from a file. */
export type PageBlock = BlockFacts &
  ({ readonly bytes: Uint8Array } | { readonly readPage: (index: number) => Promise<Uint8Array> });

export interface BlockFacts {
  /** Tokens read when it was dropped. */
  readonly end: number;
  /** Tokens of each head. */
  readonly tokens: number;
}

interface LayerBlocks {
  readonly blocks: PageBlock[];
  /** First page of each block, and the number of all pages. */
  readonly firstPages: number[];
}

export class PageStore {
  readonly layout: PageLayout;
  readonly #limitBytes: number;
  readonly #openFile: () => PageFile;
  #file: PageFile | undefined;
  #layers: LayerBlocks[];
  /** Where blocks in memory are, the oldest first. */
  #inMemory: { readonly layer: number; readonly index: number }[] = [];
  #memoryBytes = 0;
  /** Blocks that were dropped later are not wanted any more. */
  #newest = Number.POSITIVE_INFINITY;

  constructor(
    layout: PageLayout,
    parts: { numLayers: number; limitBytes: number; openFile: () => PageFile },
  ) {
    this.layout = layout;
    this.#limitBytes = parts.limitBytes;
    this.#openFile = parts.openFile;
    this.#layers = Array.from({ length: parts.numLayers }, emptyLayer);
  }

  get numLayers(): number {
    return this.#layers.length;
  }

  /** Pages of each head of a layer. */
  numPages(layer: number): number {
    return this.#layer(layer).firstPages.at(-1) ?? 0;
  }

  /** Tokens that each head of a layer has in its pages. */
  tokens(layer: number): number {
    return this.#layer(layer).blocks.reduce((sum, block) => sum + block.tokens, 0);
  }

  /** What evictions dropped of a layer. */
  blocks(layer: number): readonly BlockFacts[] {
    return this.#layer(layer).blocks;
  }

  /** Bytes in memory and on disk. */
  get bytes(): { readonly host: number; readonly disk: number } {
    const pages = this.#layers.reduce((sum, { firstPages }) => sum + (firstPages.at(-1) ?? 0), 0);
    const host = this.#memoryBytes;
    return { host, disk: pages * this.layout.pageBytes - host };
  }

  /** Tokens in a page of a layer. */
  tokensIn(layer: number, page: number): number {
    const { block, index } = this.#find(layer, page);
    return Math.min(PAGE_TOKENS, block.tokens - index * PAGE_TOKENS);
  }

  /** The records [KV heads] of a page, to be read and not changed. Throws DamagedError for saved ones that changed. */
  async read(layer: number, page: number): Promise<Uint8Array> {
    const { pageBytes } = this.layout;
    const { block, index } = this.#find(layer, page);
    if ("readPage" in block) return block.readPage(index);
    return block.bytes.subarray(index * pageBytes, (index + 1) * pageBytes);
  }

  /** Append a block, and move old ones to the file beyond the limit. Late ones that `dropBehind` forgot are left out. */
  add(layer: number, block: PageBlock): void {
    if (block.end > this.#newest) return;
    const { blocks, firstPages } = this.#layer(layer);
    blocks.push(block);
    firstPages.push((firstPages.at(-1) ?? 0) + pagesOf(block.tokens));
    if (!("bytes" in block)) return;
    this.#inMemory.push({ layer, index: blocks.length - 1 });
    this.#memoryBytes += block.bytes.length;
    while (this.#memoryBytes > this.#limitBytes) this.#moveOldest();
  }

  /** Forget what was dropped later than when `tokens` tokens had been read; with none of them the file goes as well. */
  dropBehind(tokens: number): void {
    this.#newest = tokens;
    const old = this.#layers;
    if (old.every(({ blocks }) => blocks.every(({ end }) => end <= tokens))) return;
    this.#layers = old.map(emptyLayer);
    this.#inMemory = [];
    this.#memoryBytes = 0;
    for (const [layer, { blocks }] of old.entries())
      for (const block of blocks) this.add(layer, block);
    if (this.#layers.some(({ blocks }) => blocks.length > 0)) return;
    this.#file?.close();
    this.#file = undefined;
  }

  /** Take up blocks again, whenever they were dropped. */
  reopen(): void {
    this.#newest = Number.POSITIVE_INFINITY;
  }

  dispose(): void {
    this.dropBehind(-1);
  }

  #moveOldest(): void {
    const oldest = this.#inMemory.shift();
    if (oldest === undefined) return;
    const { blocks } = this.#layer(oldest.layer);
    const block = blocks[oldest.index];
    if (block === undefined || !("bytes" in block)) return;
    this.#file ??= this.#openFile();
    const [file, { pageBytes }] = [this.#file, this.layout];
    const offset = file.append(block.bytes);
    const { end, tokens } = block;
    const readPage = async (page: number) => file.read(offset + page * pageBytes, pageBytes);
    blocks[oldest.index] = { end, tokens, readPage };
    this.#memoryBytes -= block.bytes.length;
  }

  #layer(index: number): LayerBlocks {
    const layer = this.#layers[index];
    if (layer === undefined) throw new Error(`there is no layer ${index}`);
    return layer;
  }

  #find(layer: number, page: number): { block: PageBlock; index: number } {
    const { blocks, firstPages } = this.#layer(layer);
    let [low, high] = [0, blocks.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((firstPages[middle] ?? 0) <= page) low = middle;
      else high = middle - 1;
    }
    const block = blocks[low];
    if (block === undefined || page >= this.numPages(layer))
      throw new Error(`there is no page ${page}`);
    return { block, index: page - (firstPages[low] ?? 0) };
  }
}

function emptyLayer(): LayerBlocks {
  return { blocks: [], firstPages: [0] };
}
