// Reformer's locality-sensitive hashing (arXiv:2001.04451) as a selector of blocks: those whose keys share buckets with a
// block's queries. Keys and queries are hashed as they are; the largest of [xR; -xR] does not depend on their lengths.

import { cacheTypes } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import { matrixTile, workgroupBytes } from "../operations/attentionTiles.ts";
import { keyBiasLink } from "../operations/keyBias.ts";
import { boundPart, matrixShapeOf, runsLanes } from "../operations/parts.ts";
import { HALF_VALUES, halfBits } from "../weightFormats/float16.ts";
import {
  BLOCK,
  type PrefillSelector,
  type SelectorKernel,
  type SelectorShape,
} from "./selector.ts";
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
  return {
    source: hashSource(capabilities, shape, of),
    buffers:
      of === "keys"
        ? ["rotations", "keyHashes", "step", "keys", "heads", ...keyBiasBuffers(shape)]
        : ["rotations", "queryHashes", "step", "qkv"],
    grid: (blocks) => [of === "keys" ? blocks.key : blocks.query, shape.numKvHeads],
  };
}

function hashSource(
  capabilities: Capabilities,
  shape: SelectorShape,
  of: "queries" | "keys",
): KernelSource {
  const bias = keyBiasLink(shape.keyBias, 5);
  const parts = {
    tokens: `common/tokens_${of}.wgsl`,
    ...(of === "keys" && { key_cache: cacheTypes[shape.keyType].part, ...bias.parts }),
  };
  const constants = {
    ...headConstants(shape),
    HASH_ROUNDS,
    HASH_BUCKETS,
    ...(of === "keys" && bias.constants),
  };
  const matrix = matrixConstants(capabilities, shape);
  if (matrix)
    return { file: "block_hashes_matrix.wgsl", parts, constants: { ...constants, ...matrix } };
  const projection = runsLanes(capabilities)
    ? { projection: "common/projection_lanes.wgsl" }
    : { projection: "common/projection.wgsl", ...boundPart(capabilities) };
  return { file: "block_hashes.wgsl", parts: { ...parts, ...projection }, constants };
}

/** What block_hashes_matrix.wgsl is sized by; undefined where it does not serve. */
function matrixConstants(capabilities: Capabilities, { headDim, keyType }: SelectorShape) {
  const matrices = matrixShapeOf(capabilities);
  // F32 keys would lose too much in f16.
  if (!matrices || headDim % 16 !== 0 || keyType === "f32") return undefined;
  const tile = matrixTile(matrices, BLOCK, { headDim, rows: BLOCK });
  const bytes = 2 * BLOCK * (headDim + 8) + 4 * BLOCK * (matrices.side + 8) + 4 * COUNTERS;
  if (!tile || bytes > workgroupBytes(capabilities)) return undefined;
  const { side, subgroup, loads } = tile;
  return { SIDE: side, SUBGROUP: subgroup, LOADS: loads, COLUMN_MATRICES: COUNTERS / 2 / side };
}

/** Gaussian columns [HASH_ROUNDS, HASH_BUCKETS / 2, headDim], the same in every run: f16 numbers, so that all adapters have the same. */
export function randomRotations(headDim: number): Float32Array {
  let state = SEED;
  // A linear congruential generator (Numerical Recipes); its upper bits are random enough for directions.
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const gaussian = (): number => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
  const half = (): number => HALF_VALUES[halfBits(gaussian())] ?? 0;
  return Float32Array.from({ length: (COUNTERS / 2) * headDim }, half);
}
