// The names of the settings that go to the engine with a request.

import type { ModelSettings } from "../protocol.ts";

/** Every name of ModelSettings; `satisfies` makes a new one a compile error until it is listed. */
export const modelSettingNames = Object.keys({
  model: true,
  contextLength: true,
  chunkLength: true,
  cachePolicy: true,
  cacheBudget: true,
  cacheAllocation: true,
  cacheSinks: true,
  cacheRecent: true,
  cacheQueryStride: true,
  cacheRecall: true,
  cacheTypeK: true,
  cacheTypeV: true,
  cacheResidual: true,
  cacheRotation: true,
  cacheSmoothing: true,
  cacheDir: true,
  ropeScaling: true,
  ropeFactor: true,
  positionScheme: true,
  prefillSparsity: true,
  prefillThreshold: true,
  adapter: true,
  matrixUnits: true,
} satisfies Record<keyof ModelSettings, true>);
