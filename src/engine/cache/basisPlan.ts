// What the settings make of the basis that a cache holds keys and values in: rotation, and smoothing from a calibration.

import type { ModelSettings } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import type { DecoderConfig } from "../model/decoderConfig.ts";
import { rotationMeetsBias } from "../model/operations/keyBias.ts";
import type { CachePlan } from "./cachePlan.ts";
import type { KvCacheShape } from "./cacheShape.ts";
import { readCalibration } from "./calibration.ts";
import { DUAL_CHUNK } from "./dualChunk.ts";
import { type CacheRotationId, cacheRotations } from "./rotation.ts";
import type { CacheTypeId } from "./types.ts";

/**
 * Rotation and λ of a cache.
 * @throws UserError for settings that do not go together, and where smoothing is asked of a model that was not calibrated
 */
export async function cacheBasisOf(
  { cacheRotation, cacheSmoothing, cacheDir, positionScheme }: ModelSettings,
  {
    config,
    plan,
    typeK,
    path,
    signal,
  }: {
    config: DecoderConfig;
    plan: CachePlan | undefined;
    typeK: CacheTypeId;
    path: string;
    signal: AbortSignal | undefined;
  },
): Promise<Pick<KvCacheShape, "rotation" | "lambdas">> {
  const rotation = rotationOf(cacheRotation);
  const rotatesKeys = rotation !== undefined && cacheRotations[rotation].keys;
  const scheme = plan?.schemeId ?? positionScheme;
  const turnsLater = plan?.scheme.movesKeys || scheme === DUAL_CHUNK;
  if (rotatesKeys && turnsLater) {
    throw new UserError(
      `Cache rotation ${rotation} comes behind RoPE, and position scheme ${scheme} turns keys or queries later: choose position scheme original, or rotation values or off.`,
    );
  }
  if (rotatesKeys && rotationMeetsBias(config, typeK)) {
    throw new UserError(
      `Cache rotation ${rotation} spreads the large bias of this model's keys over all dimensions, and ${typeK} would round them by it: choose rotation values or off, or keys in f16.`,
    );
  }
  const isSmoothed = cacheSmoothing === "on";
  const turnsKeys = isSmoothed || rotatesKeys;
  if (turnsKeys && plan?.policy.records?.queries === "statistics") {
    throw new UserError(
      `Cache policy ${plan.policyId} compares keys with queries as the model has them: choose cache rotation values or off, no smoothing, or another policy.`,
    );
  }
  if (!isSmoothed) return { ...(rotation && { rotation }) };
  const folder = cacheDir || undefined;
  const { lambdas } = await readCalibration(path, config, { folder, ...(signal && { signal }) });
  return { ...(rotation && { rotation }), lambdas };
}

/** Undefined where nothing is rotated. */
function rotationOf(setting: string | undefined): CacheRotationId | undefined {
  if (setting === undefined || setting === "off") return undefined;
  const id = Object.keys(cacheRotations).find((known) => known === setting);
  if (id !== undefined) return id as CacheRotationId; // a key of the registry, found there
  throw new UserError(
    `There is no cache rotation "${setting}": choose ${Object.keys(cacheRotations).join(" or ")}.`,
  );
}
