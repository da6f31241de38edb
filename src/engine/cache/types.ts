// The types a cache may hold keys and values in. To add one: kernels/cache/<id>.wgsl and a line here.

import type { ModelSettings } from "../../protocol.ts";
import { UserError } from "../errors.ts";

export interface CacheType {
  /** One phrase for settings and tables. */
  readonly description: string;
  /** The kernel part with its load and store. */
  readonly part: string;
  /** Dimensions of a head that are stored together: it divides the head dimension. */
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Tokens that are stored together, where it is more than one: the others wait in the tail. */
  readonly groupSize?: number;
  /** What it can hold, where it is not both. */
  readonly holds?: "keys";
}

export const cacheTypes = {
  f32: {
    description: "numbers of 32 bits",
    part: "cache/f32.wgsl",
    blockSize: 4,
    blockBytes: 16,
  },
  f16: {
    description: "numbers of 16 bits",
    part: "cache/f16.wgsl",
    blockSize: 4,
    blockBytes: 8,
  },
  q8_0: {
    description: "8 bits, and a scale for each 32 of them",
    part: "cache/q8_0.wgsl",
    blockSize: 32,
    blockBytes: 36,
  },
  q4_0: {
    description: "4 bits, and a scale for each 32 of them",
    part: "cache/q4_0.wgsl",
    blockSize: 32,
    blockBytes: 20,
  },
  flexgen4: {
    description: "4 bits between the smallest and the largest of 64 values (FlexGen)",
    part: "cache/flexgen4.wgsl",
    blockSize: 64,
    blockBytes: 36,
  },
  kivi4: {
    description: "4 bits between a channel's smallest and largest in 32 tokens (KIVI)",
    part: "cache/kivi4.wgsl",
    blockSize: 32,
    blockBytes: 20,
    groupSize: 32,
    holds: "keys",
  },
} as const satisfies Record<string, CacheType>;

export type CacheTypeId = keyof typeof cacheTypes;

/** Where it fits the model: half of f16's bytes and less, at a loss that test/bench/results/cache-types.md shows. */
export const AUTO = "auto";
const AUTO_TYPES = { keys: "q8_0", values: "q4_0" } as const satisfies Record<string, CacheTypeId>;
const NO_TYPE: CacheTypeId = "f16";

/** What may be chosen for keys or for values. */
export function cacheTypeChoices(what: "keys" | "values"): string[] {
  const types: Record<string, CacheType> = cacheTypes;
  const fitting = Object.keys(types).filter((id) => (types[id]?.holds ?? what) === what);
  return [AUTO, ...fitting];
}

/**
 * The cache type a setting names for keys or values, f16 when it names none or `auto` does not fit.
 * @throws UserError for an unknown type, or one whose blocks do not divide the head dimension.
 */
export function cacheTypeOf(
  setting: string | undefined,
  headDim: number,
  what: "keys" | "values",
): CacheTypeId {
  if (setting === AUTO) {
    const type = AUTO_TYPES[what];
    return divides(type, headDim) ? type : NO_TYPE;
  }
  const wanted = setting ?? NO_TYPE;
  if (!cacheTypeChoices(what).includes(wanted)) {
    throw new UserError(
      wanted in cacheTypes
        ? `Cache type ${wanted} does not hold ${what}: choose ${alternatives(cacheTypeChoices(what))}.`
        : `There is no cache type "${wanted}": choose ${alternatives(cacheTypeChoices(what))}.`,
    );
  }
  const type = wanted as CacheTypeId; // among the choices, which are keys of the registry
  if (!divides(type, headDim)) {
    throw new UserError(
      `Cache type ${type} stores blocks of ${cacheTypes[type].blockSize}, which do not divide this model's head dimension of ${headDim}: choose another type or model.`,
    );
  }
  return type;
}

export interface CacheTypes {
  readonly typeK: CacheTypeId;
  readonly typeV: CacheTypeId;
  /** Why `auto` is f16 after all, where it is. */
  readonly typeFallback?: string;
}

/** The types of keys and values that the settings name; throws as `cacheTypeOf`. */
export function cacheTypesOf(
  { cacheTypeK, cacheTypeV }: Pick<ModelSettings, "cacheTypeK" | "cacheTypeV">,
  headDim: number,
): CacheTypes {
  const given = { keys: cacheTypeK, values: cacheTypeV };
  const left = (["keys", "values"] as const).filter(
    (what) => given[what] === AUTO && !divides(AUTO_TYPES[what], headDim),
  );
  const reasons = left.map((what) => `${what} in ${NO_TYPE} instead of ${AUTO_TYPES[what]}`);
  return {
    typeK: cacheTypeOf(cacheTypeK, headDim, "keys"),
    typeV: cacheTypeOf(cacheTypeV, headDim, "values"),
    ...(left.length > 0 && {
      typeFallback: `${reasons.join(", ")}: blocks do not divide the head dimension of ${headDim}`,
    }),
  };
}

function divides(type: CacheTypeId, headDim: number): boolean {
  return headDim % cacheTypes[type].blockSize === 0;
}

/** Bytes of one head's keys or values of one token. */
export function rowBytes(type: CacheTypeId, headDim: number): number {
  const { blockSize, blockBytes } = cacheTypes[type];
  return (headDim / blockSize) * blockBytes;
}

function alternatives(ids: readonly string[]): string {
  return `${ids.slice(0, -1).join(", ")} or ${ids.at(-1)}`;
}
