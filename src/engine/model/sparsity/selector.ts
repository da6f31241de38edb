// What a selector of sparse prefill is: kernels that score the key blocks a query block may attend to, for each KV head.
// Choosing the best and attending to them are the same for all. Everything is sized by the pass, nothing by its square.

import type { CacheTypeId } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import type { Grid } from "../../gpu/commandList.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import type { KeyBiasShape } from "../operations/keyBias.ts";
import type { HeadShape } from "../operations/rope.ts";

/** Slots of a block; the rows of a workgroup of attention divide it. */
export const BLOCK = 64;

/** What kernels of a selector depend on. */
export interface SelectorShape extends HeadShape {
  /** Multiplies q·k. */
  readonly scale: number;
  readonly keyType: CacheTypeId;
  /** Where the cache holds keys without their bias. */
  readonly keyBias?: KeyBiasShape | undefined;
}

/** Extent of a pass in blocks. */
export interface PassBlocks {
  /** Blocks that the pass's tokens lie in. */
  readonly query: number;
  /** Blocks that the cache fills with the pass. */
  readonly key: number;
}

/**
 * What kernels work on: queries and the cache of a layer, `scores` that selection reads, `lists` and `attended` that it
 * writes, and what selectors keep in between, of the words they ask for.
 */
export type SelectorBuffer =
  | "qkv"
  | "keys"
  | "step"
  | "heads"
  | "keyBias"
  | "keyFrequencies"
  | "places"
  | "scores"
  | "lists"
  | "attended"
  | "queryMeans"
  | "keyMeans"
  | "rows"
  | "lse"
  | "shifts"
  | "queryHashes"
  | "keyHashes"
  | "rotations";

/** One dispatch; `buffers` in the order of the kernel's bindings. */
export interface SelectorKernel {
  readonly source: KernelSource;
  readonly buffers: readonly SelectorBuffer[];
  grid(blocks: PassBlocks): Grid;
}

export interface PrefillSelector {
  /** One sentence for settings and tables. */
  readonly description: string;
  /** What the threshold is a part of: the blocks in sight, or the attention that scores foretell. */
  readonly of: "blocks" | "mass";
  /** Threshold unless one is given; 1 is dense. */
  readonly threshold: number;
  /** Kernels that write `scores` [numKvHeads, query blocks, key blocks], in order. */
  kernels(capabilities: Capabilities, shape: SelectorShape): readonly SelectorKernel[];
  /** The choice by the scores, unless it is that of the highest ones. */
  selection?(capabilities: Capabilities, shape: SelectorShape, threshold: number): SelectorKernel;
  /** 32-bit words of the selector's own buffers for a pass of so many blocks. */
  words?(shape: SelectorShape, blocks: PassBlocks): Partial<Record<SelectorBuffer, number>>;
  /** Buffers whose contents never change. */
  constants?(shape: SelectorShape): Partial<Record<SelectorBuffer, Float32Array>>;
}
