// Brings evicted tokens back for a question: its queries choose pages in each layer and KV head, whose rows lie behind the kept
// ones while it is answered. To softmax the order of slots does not matter: attention over kept and recalled slots together is
// what merging two attentions by their log-sum-exps gives, and no kernel of attention has to know of pages.

import type { CacheStats } from "../../../protocol.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { AttentionShape } from "../../model/operations/attention.ts";
import { unturned } from "../../model/operations/keyBias.ts";
import type { CachePlan } from "../cachePlan.ts";
import type { LayerCache } from "../cacheShape.ts";
import type { KvCache } from "../kvCache.ts";
import { choosePages, positionsIn, ranksOf } from "./choosePages.ts";
import { PageBounds } from "./pageBounds.ts";
import { openPageFile } from "./pageFile.ts";
import { PAGE_TOKENS, pageLayout } from "./pageLayout.ts";
import { createPageScorer, type PageScorer, type QuestionSize } from "./pageScorer.ts";
import { PageStore } from "./pageStore.ts";
import type { PageRope } from "./recallKernels.ts";
import { SavedPages } from "./savedPages.ts";
import { createSpill, type EvictedLayer, type Spill } from "./spill.ts";

/** Pages beyond this leave memory for a file. */
const HOST_LIMIT_BYTES = 4 * 1024 ** 3;

export interface RecallParts {
  readonly plan: CachePlan;
  readonly shape: AttentionShape;
  readonly rope: PageRope;
  readonly numLayers: number;
  /** Tokens the cache stands for. */
  readonly tokensRead: () => number;
}

interface OwnParts {
  readonly store: PageStore;
  readonly bounds: PageBounds;
  readonly spill: Spill;
  readonly scorer: PageScorer;
}

interface LayerPages {
  readonly tokensIn: (page: number) => number;
  readonly read: (page: number) => Promise<Uint8Array>;
}

/** What a question is about to read of a layer. */
interface LayerQuestion extends QuestionSize {
  /** Row of each head's first slot. */
  readonly firstRows: readonly number[];
  /** Tokens read at the last eviction, see LayerSlots. */
  readonly listedTokens: number;
}

export class Recall {
  readonly store: PageStore;
  readonly bounds: PageBounds;
  /** The pages in saved caches. */
  readonly saved: SavedPages;
  readonly #gpu: Gpu;
  readonly #parts: RecallParts;
  readonly #spill: Spill;
  readonly #scorer: PageScorer;
  #question: { readonly tokensRead: number; readonly layers: readonly LayerQuestion[] } | undefined;
  #weights = new Map<number, number>();

  constructor(gpu: Gpu, parts: RecallParts, own: OwnParts) {
    this.#gpu = gpu;
    this.#parts = parts;
    this.store = own.store;
    this.bounds = own.bounds;
    this.#spill = own.spill;
    this.#scorer = own.scorer;
    this.saved = new SavedPages({
      ...{ store: own.store, bounds: own.bounds },
      tokensRead: parts.tokensRead,
      settled: () => own.spill.settled(),
    });
  }

  /** What came back for the last question: by token of the document the share of recall it had, over all layers and heads. */
  get weights(): ReadonlyMap<number, number> {
    return this.#weights;
  }

  /** Hold only what was evicted until `tokens` tokens had been read. */
  async rollBack(tokens: number): Promise<void> {
    await this.#spill.settled();
    this.store.dropBehind(tokens);
  }

  /** The pages and where their bytes are. */
  stats(): NonNullable<CacheStats["recall"]> {
    const { numLayers, plan } = this.#parts;
    const mean = (of: (layer: number) => number): number =>
      Array.from({ length: numLayers }, (_, layer) => of(layer)).reduce((a, b) => a + b, 0) /
      numLayers;
    return {
      limit: plan.recall,
      pageTokens: PAGE_TOKENS,
      pages: mean((layer) => this.store.numPages(layer)),
      tokens: mean((layer) => this.store.tokens(layer)),
      recalled: mean((layer) => this.#question?.layers[layer]?.recalled ?? 0),
      bytes: { gpu: this.bounds.bytes, ...this.store.bytes },
    };
  }

  /** Prepare for an eviction of the layers that are `due`. */
  beginSpill(cache: KvCache, due: readonly boolean[]): Promise<void> {
    return this.#spill.begin(cache, due);
  }

  encodeSpill(commands: CommandList, evicted: EvictedLayer): void {
    this.#spill.encode(commands, evicted);
  }

  /** Let the pages come to the host behind what was submitted. */
  endSpill(): void {
    this.#spill.end();
  }

  /** Prepare for a question of `numTokens` tokens; returns how many slots recalled tokens will take in the heads of each layer. */
  async begin(cache: KvCache, numTokens: number): Promise<number[]> {
    await this.#spill.settled();
    const { plan } = this.#parts;
    this.#weights = new Map();
    const layers = cache.slots.map(({ longest: kept, firstRows, listedTokens }, layer) => {
      const { sinks, recent } = plan.layers[layer] ?? plan;
      const recalled = Math.min(plan.recall, this.store.tokens(layer));
      return {
        ...{ numTokens, numPages: this.store.numPages(layer), kept, recalled },
        ...{ firstRows, listedTokens },
        firstRank: sinks,
        // Kept and recalled tokens between the sinks and the recent ones lie in each other's gaps.
        rankSpan: Math.max(0, kept - sinks - recent) + recalled,
      };
    });
    this.#question = { tokensRead: cache.tokensRead, layers };
    const numPages = Math.max(...layers.map((layer) => layer.numPages));
    if (numPages > 0) await this.#scorer.reserve({ numTokens, numPages });
    return layers.map(({ recalled }) => recalled);
  }

  /**
   * Choose pages by a layer's queries and put their rows behind the kept ones. Returns the ranks of all of them [KV heads,
   * kept + recalled] where keys are cached before RoPE; undefined elsewhere, and where nothing comes back.
   */
  async bring(
    layer: number,
    cache: LayerCache,
    { qkv, frequencies }: { qkv: GPUBuffer; frequencies: GPUBuffer },
  ): Promise<Uint32Array | undefined> {
    const question = this.#question?.layers[layer];
    if (question === undefined) throw new Error("begin comes first");
    const { kept, recalled } = question;
    if (recalled === 0) return undefined;
    const bounds = this.bounds.of(layer);
    const scores = await this.#scorer.score({ qkv, cache, bounds, frequencies }, question);
    const places = cache.unrotatedKeys && (await this.#keptPlaces(cache, question));
    const ranks = new Uint32Array(scores.length * (kept + recalled));
    const pages = this.#pagesOf(layer);
    for (const [head, own] of scores.entries()) {
      const positions = await this.#fill({ head, cache, pages }, own, question);
      const ownPlaces = places?.subarray(head * kept, (head + 1) * kept);
      if (ownPlaces) ranks.set(ranksOf(ownPlaces, positions), head * (kept + recalled));
    }
    return places && ranks;
  }

  dispose(): void {
    this.#spill.dispose();
    this.#scorer.dispose();
    this.bounds.dispose();
    this.store.dispose();
    // A file that cannot be closed is closed with the process.
    this.saved.dispose().catch(() => undefined);
  }

  /** Write the best pages' rows of a head into the cache; returns the tokens they hold. */
  async #fill(
    { head, cache, pages }: { head: number; cache: LayerCache; pages: LayerPages },
    scores: Float32Array,
    { kept, recalled, firstRows }: LayerQuestion,
  ): Promise<Uint32Array> {
    const { keyBytes, valueBytes, valuesAt, positionsAt, recordBytes } = this.store.layout;
    const chosen = choosePages(scores, recalled, pages.tokensIn);
    const total = chosen.reduce((sum, { page }) => sum + (scores[page] ?? 0), 0);
    const keys = new Uint8Array(recalled * keyBytes);
    const values = new Uint8Array(recalled * valueBytes);
    const positions = new Uint32Array(recalled);
    const read = await Promise.all(chosen.map(({ page }) => pages.read(page)));
    let row = 0;
    for (const [i, { page, tokens }] of chosen.entries()) {
      const record = read[i]?.subarray(head * recordBytes, (head + 1) * recordBytes);
      if (record === undefined) throw new Error(`page ${page} was not read`);
      keys.set(record.subarray(0, tokens * keyBytes), row * keyBytes);
      const ownValues = record.subarray(valuesAt, valuesAt + tokens * valueBytes);
      values.set(ownValues, row * valueBytes);
      positions.set(positionsIn(record, positionsAt, tokens), row);
      this.#weigh(positions.subarray(row, row + tokens), (scores[page] ?? 0) / total);
      row += tokens;
    }
    const first = (firstRows[head] ?? 0) + kept;
    const { buffers } = this.#gpu;
    buffers.write(cache.unrotatedKeys ?? cache.keys, first * keyBytes, keys);
    buffers.write(cache.values, first * valueBytes, values);
    // Where keys are turned by rank, so are the places noted.
    if (cache.places && !cache.unrotatedKeys) buffers.write(cache.places, 4 * first, positions);
    return positions;
  }

  /** The pages of a layer, each read once however many heads want it. */
  #pagesOf(layer: number): LayerPages {
    const begun = new Map<number, Promise<Uint8Array>>();
    return {
      tokensIn: (page) => this.store.tokensIn(layer, page),
      read: (page) => {
        const read = begun.get(page) ?? this.store.read(layer, page);
        begun.set(page, read);
        return read;
      },
    };
  }

  #weigh(tokens: Uint32Array, share: number): void {
    const { numLayers, shape } = this.#parts;
    const weight = share / (numLayers * shape.numKvHeads);
    if (!(weight > 0)) return;
    for (const token of tokens) this.#weights.set(token, (this.#weights.get(token) ?? 0) + weight);
  }

  /** The tokens of the kept slots [KV heads, kept]: listed by the last eviction, in order behind those. */
  async #keptPlaces(
    cache: LayerCache,
    { kept, firstRows, listedTokens }: LayerQuestion,
  ): Promise<Uint32Array> {
    if (cache.positions === undefined) throw new Error("the cache does not know its tokens");
    const listed = new Uint32Array(await this.#gpu.read(cache.positions));
    const tokensRead = this.#question?.tokensRead ?? 0;
    const numListed = kept - (tokensRead - listedTokens);
    return Uint32Array.from({ length: firstRows.length * kept }, (_, i) => {
      const slot = i % kept;
      if (slot >= numListed) return tokensRead - kept + slot;
      return listed[(firstRows[Math.floor(i / kept)] ?? 0) + slot] ?? 0;
    });
  }
}

export async function createRecall(gpu: Gpu, parts: RecallParts): Promise<Recall> {
  const { shape, rope, numLayers } = parts;
  const store = new PageStore(pageLayout(shape), {
    numLayers,
    limitBytes: HOST_LIMIT_BYTES,
    openFile: () => openPageFile(),
  });
  const bounds = new PageBounds(gpu, { ...shape, numLayers });
  const spilled = rope.movesKeys ? { ...shape, keyBias: unturned(shape.keyBias) } : shape;
  const spill = await createSpill(gpu, { shape: spilled, bounds, store });
  const scorer = await createPageScorer(gpu, shape, rope);
  return new Recall(gpu, parts, { store, bounds, spill, scorer });
}
