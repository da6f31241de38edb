// Every kernel the engine can link, with the parts and constants it links it with. The compile test loops over them;
// a kernel file that no entry names fails that test.

import { evictionSources, sharedSources } from "../../src/engine/cache/evictionKernels.ts";
import { cachePolicies } from "../../src/engine/cache/policies/index.ts";
import type { CachePolicy } from "../../src/engine/cache/policies/policy.ts";
import { statisticsSources } from "../../src/engine/cache/queryStatistics.ts";
import { scoreSources, spillSources } from "../../src/engine/cache/recall/recallKernels.ts";
import { type CacheRotation, cacheRotations } from "../../src/engine/cache/rotation.ts";
import { type CacheType, type CacheTypeId, cacheTypes } from "../../src/engine/cache/types.ts";
import type { Capabilities } from "../../src/engine/gpu/capabilities.ts";
import type { KernelSource } from "../../src/engine/gpu/linkKernel.ts";
import {
  attentionSources,
  prefillSource,
} from "../../src/engine/model/operations/attentionKernels.ts";
import {
  hadamardSource,
  rotatedHeads,
  scaleHeadsSource,
} from "../../src/engine/model/operations/cacheBasis.ts";
import {
  joinAttentionSource,
  turnQueriesSource,
} from "../../src/engine/model/operations/dualChunkAttention.ts";
import { embedSource } from "../../src/engine/model/operations/embed.ts";
import { storePlacesSource } from "../../src/engine/model/operations/keyBias.ts";
import { linearSources } from "../../src/engine/model/operations/linearKernels.ts";
import { nllSource } from "../../src/engine/model/operations/nll.ts";
import { rmsNormSource } from "../../src/engine/model/operations/rmsNorm.ts";
import { ropeSource } from "../../src/engine/model/operations/rope.ts";
import { rotateKeysSource } from "../../src/engine/model/operations/rotateKeys.ts";
import { sampleSource } from "../../src/engine/model/operations/sampler.ts";
import { tailSources } from "../../src/engine/model/operations/tailAttention.ts";
import { prefillSelectors } from "../../src/engine/model/sparsity/index.ts";
import { selectorKernels } from "../../src/engine/model/sparsity/sparsePrefill.ts";
import { type WeightFormatId, weightFormats } from "../../src/engine/model/weightFormats/index.ts";

/** The variants that an adapter of these capabilities may be given. */
export type KernelVariants = (capabilities: Capabilities) => KernelSource[];

const headDims = [8, 64, 80, 96, 128, 256];
const cacheTypeIds = Object.keys(cacheTypes) as CacheTypeId[];
// Registry keys are ids.
const weightFormatIds = Object.keys(weightFormats) as WeightFormatId[];
const booleans = [false, true];
const epsilon = 1e-5;

const rmsNorms: KernelVariants = (capabilities) =>
  booleans.map((accumulates) => rmsNormSource(capabilities, { size: 64, epsilon, accumulates }));

const ropes: KernelVariants = (capabilities) =>
  headDims.flatMap((headDim) =>
    booleans.flatMap((hasQkNorm) =>
      (["interleaved", "half"] as const).map((pairing) => {
        const heads = { numHeads: 8, numKvHeads: 2, headDim, ropeDim: headDim };
        const norm = { attentionFactor: 1, hasQkNorm, epsilon };
        const shape = { ...heads, ...norm, pairing, rotatesKeys: headDim !== 64 };
        return ropeSource(capabilities, shape, headDim === 80);
      }),
    ),
  );

/** Cache types of single rows whose blocks divide the head dimension. */
function fittingTypes(headDim: number): CacheTypeId[] {
  const types: Record<string, CacheType> = cacheTypes;
  return cacheTypeIds.filter(
    (id) => headDim % cacheTypes[id].blockSize === 0 && types[id]?.groupSize === undefined,
  );
}

const attentions: KernelVariants = (capabilities) =>
  headDims.flatMap((headDim) =>
    fittingTypes(headDim).flatMap((keyType) =>
      fittingTypes(headDim).flatMap((valueType) =>
        // Mixed types meet in a kernel only through its two parts: one shape shows that they do.
        (keyType === valueType ? [1, 3, 8] : [3]).flatMap((groupSize) =>
          (keyType === valueType ? [0, 512] : [0]).flatMap((window) =>
            attentionAdapters(capabilities).flatMap((adapter) =>
              attentionSources(adapter, {
                numHeads: 2 * groupSize,
                numKvHeads: 2,
                headDim,
                scale: 1,
                window,
                keyType,
                valueType,
                lse: window > 0 ? "all" : groupSize === 8 ? "repeat" : "none",
              }),
            ),
          ),
        ),
      ),
    ),
  );

/** Attention to listed blocks, and every selector of them. */
const sparsePrefills: KernelVariants = (capabilities) =>
  headDims.flatMap((headDim) =>
    fittingTypes(headDim).flatMap((type) =>
      (type === "f16" ? [1, 3, 8] : [3]).flatMap((groupSize) =>
        attentionAdapters(capabilities).flatMap((adapter) => {
          const heads = { numHeads: 2 * groupSize, numKvHeads: 2, headDim };
          const shape = { ...heads, scale: 1, window: 0, keyType: type, valueType: type };
          return [
            prefillSource(adapter, shape, "listed"),
            ...Object.values(prefillSelectors).flatMap((selector) =>
              selectorKernels(adapter, { selector, threshold: 0.5 }, shape).map(
                ({ source }) => source,
              ),
            ),
          ];
        }),
      ),
    ),
  );

/** Adapters that get different attention kernels: as it is, a CPU, and a GPU with matrix units. */
function attentionAdapters(capabilities: Capabilities): Capabilities[] {
  const software = {
    ...{ isSoftware: true, subgroupMinSize: 8, subgroupMaxSize: 8 },
    busyWorkgroups: 1,
  };
  return [
    capabilities,
    { ...capabilities, ...software },
    // Without f16 there are none.
    ...(capabilities.hasF16 ? [withMatrixUnits(capabilities)] : []),
  ];
}

const linears: KernelVariants = (capabilities) =>
  weightFormatIds.flatMap((format) =>
    (["set", "add", "silu", "gelu"] as const).flatMap((output) =>
      (output === "set" || output === "add" ? booleans : [false]).flatMap((hasBias) =>
        linearAdapters(capabilities).flatMap((adapter) =>
          (format === "q8_0" ? [64, 2048, 8192] : [64]).flatMap((cols) => {
            const variant = { format, output, hasBias, rows: 512, cols };
            const { matvec, matmul, wideMatmul } = linearSources(adapter, variant);
            return [matvec.kernel, matmul.kernel, ...(wideMatmul ? [wideMatmul.kernel] : [])];
          }),
        ),
      ),
    ),
  );

/** Adapters that get different matrix kernels: as it is, a CPU with lanes, a GPU with matrix units. */
function linearAdapters(capabilities: Capabilities): Capabilities[] {
  const lanes = { isSoftware: true, subgroupMinSize: 8, subgroupMaxSize: 8 };
  return [capabilities, { ...capabilities, ...lanes }, withMatrixUnits(capabilities)];
}

function withMatrixUnits(capabilities: Capabilities): Capabilities {
  return {
    ...capabilities,
    isSoftware: false,
    subgroupMinSize: 32,
    subgroupMaxSize: 32,
    matrixConfigurations: [
      { componentType: "f16", resultComponentType: "f32", m: 16, n: 16, k: 16 },
    ],
    usesMatrixUnits: true,
  };
}

const embeds: KernelVariants = () => weightFormatIds.map((format) => embedSource(format, 16));

const heads: KernelVariants = (capabilities) =>
  [500, 262_144].flatMap((vocabSize) => [
    sampleSource(capabilities, vocabSize),
    nllSource(capabilities, vocabSize),
  ]);

/** Scoring, selecting and gathering for every policy. */
const evictions: KernelVariants = (capabilities) =>
  headDims.flatMap((headDim) =>
    fittingTypes(headDim).flatMap((type) => {
      const heads = { numHeads: 6, numKvHeads: 2, headDim };
      const shape = { ...heads, scale: 1, window: 0, keyType: type, valueType: type };
      const rope = {
        ...{ ropeDim: headDim, pairing: "half" as const, attentionFactor: 1, epsilon },
        ...{ hasQkNorm: headDim === 128, movesKeys: headDim === 64 },
      } as const;
      const policies: CachePolicy[] = Object.values(cachePolicies);
      return [
        ...attentionAdapters(capabilities).flatMap((adapter) =>
          booleans.flatMap((takesMaximum) =>
            Object.values(evictionSources(adapter, shape, takesMaximum)),
          ),
        ),
        ...Object.values(sharedSources(shape)),
        ...Object.values(statisticsSources(shape, rope)),
        ...policies.flatMap(
          (policy) => policy.scoreKernels?.({ ...shape, rope }).map(({ source }) => source) ?? [],
        ),
        ...(["interleaved", "half"] as const).map((pairing) =>
          rotateKeysSource({
            ...heads,
            ropeDim: headDim,
            pairing,
            attentionFactor: 1,
            keyType: type,
          }),
        ),
      ];
    }),
  );

/** Rotation and smoothing of what is cached. */
const bases: KernelVariants = (capabilities) =>
  headDims.flatMap((headDim) => {
    const shape = { numHeads: 6, numKvHeads: 2, headDim };
    const rotations: CacheRotation[] = Object.values(cacheRotations);
    return [
      scaleHeadsSource(shape),
      ...rotations
        .flatMap((rotation) => rotatedHeads(shape, rotation) ?? [])
        .flatMap((heads) =>
          attentionAdapters(capabilities).map((adapter) => hadamardSource(adapter, headDim, heads)),
        ),
    ];
  });

/** Putting evicted rows into pages and choosing among them. */
const recalls: KernelVariants = (capabilities) =>
  headDims.flatMap((headDim) =>
    fittingTypes(headDim).flatMap((type) => {
      const heads = { numHeads: 6, numKvHeads: 2, headDim };
      const shape = { ...heads, scale: 1, window: 0, keyType: type, valueType: type };
      return [
        ...Object.values(spillSources(shape)),
        ...(["interleaved", "half"] as const).flatMap((pairing) => {
          const rope = { ropeDim: headDim, pairing, attentionFactor: 1 };
          return [
            ...booleans.flatMap((movesKeys) =>
              Object.values(scoreSources(capabilities, shape, { ...rope, movesKeys })),
            ),
            rotateKeysSource({ ...heads, ...rope, keyType: type, isRanked: true }),
          ];
        }),
      ];
    }),
  );

const duals: KernelVariants = (capabilities) =>
  headDims.flatMap((headDim) => {
    const heads = { numHeads: 6, numKvHeads: 2, headDim };
    const chunk = { chunkLength: 40, chunkSize: 48 };
    const shape = { ...heads, scale: 1, window: 0, keyType: "f32", valueType: "f32" } as const;
    return [
      ...(["interleaved", "half"] as const).flatMap((pairing) =>
        (["next", "earlier"] as const).map((past) =>
          turnQueriesSource({ ...heads, ropeDim: headDim, pairing }, chunk, past),
        ),
      ),
      joinAttentionSource(heads),
      ...attentionAdapters(capabilities).flatMap((adapter) =>
        attentionSources(adapter, { ...shape, lse: "all", isCausal: false }),
      ),
    ];
  });

/** Caches with a tail in f16, and with keys in groups of tokens. */
const tails: KernelVariants = (capabilities) =>
  [64, 256].flatMap((headDim) =>
    (["q8_0", "kivi4"] as const).flatMap((keyType) =>
      (headDim === 64 ? [0, 48] : [0]).flatMap((window) =>
        attentionAdapters(capabilities).flatMap((adapter) => {
          const heads = { numHeads: 6, numKvHeads: 2, headDim };
          const types = { keyType, valueType: "f16" } as const;
          const tail = { sinks: 4, residual: 64, ring: 192 };
          const shape = { ...heads, ...types, scale: 1, window, lse: "all" as const, tail };
          const { store, groups, finish } = tailSources(adapter, shape);
          const settled = attentionSources(adapter, shape);
          return [...settled, store, finish, ...(groups ? [groups] : [])];
        }),
      ),
    ),
  );

/** Keys held without their bias: attention of every kind, and selectors of blocks. */
const keyBiases: KernelVariants = (capabilities) =>
  [64, 80].flatMap((headDim) =>
    (["interleaved", "half"] as const).flatMap((pairing) =>
      attentionAdapters(capabilities).flatMap((adapter) => {
        const type = headDim === 64 ? "q8_0" : "f32";
        const heads = { numHeads: 6, numKvHeads: 2, headDim };
        const keyBias = { ropeDim: headDim - 16, pairing, attentionFactor: 1, period: 40 };
        const types = { keyType: type, valueType: type } as const;
        const shape = { ...heads, ...types, scale: 1, window: 0, keyBias };
        const tail = { sinks: 4, residual: 64, ring: 192 };
        const tailed = { ...shape, lse: "all" as const, tail };
        const listed = { ...shape, keyBias: { ...keyBias, isListed: true } };
        const rope = { ...keyBias, epsilon, hasQkNorm: false, movesKeys: headDim === 64 };
        const policies: CachePolicy[] = Object.values(cachePolicies);
        const rotation = { ...heads, ...keyBias, keyType: type, notesPlaces: true } as const;
        return [
          ...attentionSources(adapter, { ...listed, lse: "all", keepsQueries: true }),
          ...attentionSources(adapter, { ...listed, lse: "repeat" }),
          prefillSource(adapter, listed, "listed"),
          ...Object.values(evictionSources(adapter, listed)),
          ...policies.flatMap(
            (policy) =>
              policy.scoreKernels?.({ ...listed, rope }).map(({ source }) => source) ?? [],
          ),
          ...Object.values(spillSources(listed)),
          ...Object.values(scoreSources(adapter, listed, rope)),
          rotateKeysSource(rotation),
          rotateKeysSource({ ...rotation, isRanked: true }),
          storePlacesSource(heads.numKvHeads),
          ...attentionSources(adapter, shape),
          ...attentionSources(adapter, tailed),
          tailSources(adapter, tailed).finish,
          prefillSource(adapter, shape, "listed"),
          ...Object.values(prefillSelectors).flatMap((selector) =>
            selectorKernels(adapter, { selector, threshold: 0.5 }, shape).map(
              ({ source }) => source,
            ),
          ),
        ];
      }),
    ),
  );

export const kernelVariants: readonly KernelVariants[] = [
  heads,
  embeds,
  linears,
  rmsNorms,
  ropes,
  attentions,
  sparsePrefills,
  evictions,
  duals,
  bases,
  recalls,
  tails,
  keyBiases,
];
