// Reformer's locality-sensitive hashing (arXiv:2001.04451) as a selector of blocks: those whose keys share buckets with a
// block's queries. Keys and queries are hashed as they are; the largest of [xR; -xR] does not depend on their lengths.

import { cacheTypes } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import { keyBiasLink } from "../operations/keyBias.ts";
import { boundPart, runsLanes } from "../operations/parts.ts";
import type { PrefillSelector, SelectorKernel, SelectorShape } from "./selector.ts";
import { headConstants, keyBiasBuffers, WORKGROUP_SIZE } from "./selectorKernels.ts";

/** Rotations, each with buckets of its own. */
export const HASH_ROUNDS = 4;
/** Twice the columns of a rotation, which the kernels take 8 at a time. */
export const HASH_BUCKETS = 16;
const COUNTERS = HASH_ROUNDS * HASH_BUCKETS;
const SEED = 0x5eed;

export const lsh: PrefillSelector = {
  description:
    "blocks whose keys share hash buckets with the queries, over several rounds (Reformer)",
  of: "blocks",
  threshold: 0.25,
  kernels: (capabilities, shape) => [
    hashes(capabilities, shape, "queries"),
    hashes(capabilities, shape, "keys"),
    {
      source: { file: "score_block_hashes.wgsl", constants: { ...headConstants(shape), COUNTERS } },
      buffers: ["queryHashes", "keyHashes", "scores", "step"],
      grid: ({ query, key }) => [Math.ceil(key / WORKGROUP_SIZE), query, shape.numKvHeads],
    },
  ],
  words: ({ numKvHeads }, { query, key }) => ({
    queryHashes: numKvHeads * query * COUNTERS,
    keyHashes: numKvHeads * key * COUNTERS,
  }),
  constants: ({ headDim }) => ({ rotations: randomRotations(headDim) }),
};

function hashes(
  capabilities: Capabilities,
  shape: SelectorShape,
  of: "queries" | "keys",
): SelectorKernel {
  const projection = runsLanes(capabilities)
    ? { projection: "common/projection_lanes.wgsl" }
    : { projection: "common/projection.wgsl", ...boundPart(capabilities) };
  const bias = keyBiasLink(shape.keyBias, 5);
  return {
    source: {
      file: "block_hashes.wgsl",
      parts: {
        ...projection,
        tokens: `common/tokens_${of}.wgsl`,
        ...(of === "keys" && { key_cache: cacheTypes[shape.keyType].part, ...bias.parts }),
      },
      constants: {
        ...headConstants(shape),
        HASH_ROUNDS,
        HASH_BUCKETS,
        ...(of === "keys" && bias.constants),
      },
    },
    buffers:
      of === "keys"
        ? ["rotations", "keyHashes", "step", "keys", "heads", ...keyBiasBuffers(shape)]
        : ["rotations", "queryHashes", "step", "qkv"],
    grid: (blocks) => [of === "keys" ? blocks.key : blocks.query, shape.numKvHeads],
  };
}

/** Gaussian columns [HASH_ROUNDS, HASH_BUCKETS / 2, headDim], the same in every run. */
export function randomRotations(headDim: number): Float32Array {
  let state = SEED;
  // A linear congruential generator (Numerical Recipes); its upper bits are random enough for directions.
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const gaussian = (): number => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
  return Float32Array.from({ length: (COUNTERS / 2) * headDim }, gaussian);
}
