// RoPE frequencies that follow the length of the text (dynamic NTK). Cached keys were turned by them, so they stay as they
// were when a document was begun, until another is read into an empty cache.

import type { KvCache } from "../cache/kvCache.ts";
import type { Gpu } from "../gpu/device.ts";
import { packFrequencies } from "./operations/rope.ts";
import type { RopeFrequencies } from "./rope/scaling.ts";

/** The frequencies of every layer for a document of so many tokens. */
export type RopesFor = (tokens: number) => readonly RopeFrequencies[];

export class DocumentRope {
  readonly #gpu: Gpu;
  readonly #cache: KvCache;
  readonly #ropesFor: RopesFor;
  /** Of each layer, as the kernels read them. */
  readonly #frequencies: readonly GPUBuffer[];
  #written: number | undefined;

  constructor(
    gpu: Gpu,
    cache: KvCache,
    { ropesFor, frequencies }: { ropesFor: RopesFor; frequencies: readonly GPUBuffer[] },
  ) {
    this.#gpu = gpu;
    this.#cache = cache;
    this.#ropesFor = ropesFor;
    this.#frequencies = frequencies;
  }

  /** Queue the frequencies of the document that the cache holds. */
  sync(): void {
    const { ropeLength } = this.#cache;
    if (ropeLength === undefined || ropeLength === this.#written) return;
    for (const [layer, { invFreq }] of this.#ropesFor(ropeLength).entries()) {
      const buffer = this.#frequencies[layer];
      if (buffer !== undefined) this.#gpu.buffers.write(buffer, 0, packFrequencies(invFreq));
    }
    this.#written = ropeLength;
  }
}
