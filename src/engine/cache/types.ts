// The types a cache may hold keys and values in. To add one: kernels/cache/<id>.wgsl and a line here.

import { UserError } from "../errors.ts";

export interface CacheType {
  /** The kernel part with its load and store. */
  readonly part: string;
  /** Dimensions of a head that are stored together: it divides the head dimension. */
  readonly blockSize: number;
  readonly blockBytes: number;
}

export const cacheTypes = {
  f32: { part: "cache/f32.wgsl", blockSize: 4, blockBytes: 16 },
  f16: { part: "cache/f16.wgsl", blockSize: 4, blockBytes: 8 },
  q8_0: { part: "cache/q8_0.wgsl", blockSize: 32, blockBytes: 36 },
  q4_0: { part: "cache/q4_0.wgsl", blockSize: 32, blockBytes: 20 },
  flexgen4: { part: "cache/flexgen4.wgsl", blockSize: 64, blockBytes: 36 },
} as const satisfies Record<string, CacheType>;

export type CacheTypeId = keyof typeof cacheTypes;

/**
 * The cache type a setting names, f16 when it names none.
 * @throws UserError for an unknown type, or one whose blocks do not divide the head dimension.
 */
export function cacheTypeOf(setting: string | undefined, headDim: number): CacheTypeId {
  const id = Object.keys(cacheTypes).find((known) => known === (setting ?? "f16"));
  if (id === undefined) {
    throw new UserError(
      `There is no cache type "${setting}": choose ${alternatives(Object.keys(cacheTypes))}.`,
    );
  }
  const type = id as CacheTypeId; // a key of the registry, found there
  const { blockSize } = cacheTypes[type];
  if (headDim % blockSize !== 0) {
    throw new UserError(
      `Cache type ${type} stores blocks of ${blockSize}, which do not divide this model's head dimension of ${headDim}: choose another type or model.`,
    );
  }
  return type;
}

/** Bytes of one head's keys or values of one token. */
export function rowBytes(type: CacheTypeId, headDim: number): number {
  const { blockSize, blockBytes } = cacheTypes[type];
  return (headDim / blockSize) * blockBytes;
}

function alternatives(ids: readonly string[]): string {
  return `${ids.slice(0, -1).join(", ")} or ${ids.at(-1)}`;
}
