// Calibrates a model on a text: reads its beginning into a cache and looks at the keys.

import type { ModelSettings } from "../protocol.ts";
import { type Calibration, saveCalibration } from "./cache/calibration.ts";
import { modelDigest } from "./cache/modelDigest.ts";
import { defaultCacheFolder } from "./cache/snapshotStore.ts";
import { UserError } from "./errors.ts";
import type { OpenModel, Work } from "./modelHost.ts";
import { ProgressMeter } from "./progress.ts";

/** More tokens hardly show larger keys. */
const MOST_TOKENS = 4096;

/** The settings a model is calibrated with: every key as the model makes it. */
export function calibrationSettings(settings: ModelSettings): ModelSettings {
  const { model, adapter, matrixUnits, cacheDir } = settings;
  const kept = { model, adapter, matrixUnits, cacheDir };
  const given = Object.entries(kept).filter(([, value]) => value);
  return { ...Object.fromEntries(given), cacheTypeK: "f32" };
}

export interface CalibrationResult {
  readonly model: string;
  readonly path: string;
  readonly tokens: number;
  /** Largest λ over the smallest, the mean over layers: how unlike the dimensions of keys are. */
  readonly spread: number;
}

/** Calibrate an open model, which has `calibrationSettings`, on a text and save what was found. */
export async function calibrateModel(
  { model, info, fileVersion }: OpenModel,
  text: string,
  { observer, signal, cacheDir }: Work & { readonly cacheDir: string | undefined },
): Promise<CalibrationResult> {
  const { keeper, tokenizer, contextLength } = model;
  if (!keeper || fileVersion === undefined)
    throw new UserError("This model has no cache to calibrate: choose another model.");
  const tokens = tokenizer
    .encode(text, { addSpecial: true })
    .slice(0, Math.min(MOST_TOKENS, contextLength - 1));
  if (tokens.length < 2)
    throw new UserError("The text has fewer than two tokens: give a longer one.");
  const folder = cacheDir || defaultCacheFolder();
  const digest = await modelDigest(info.path, { folder, version: fileVersion, signal });
  if (digest === undefined)
    throw new UserError(`${info.path} changed since it was loaded: try again.`);
  const meter = new ProgressMeter(observer, "prefill", "tokens");
  await keeper.read(tokens, { onPrefill: (done, total) => meter.report(done, total), signal });
  const lambdas = await keeper.keyLambdas();
  const calibration: Calibration = { tokens: tokens.length, lambdas };
  const path = await saveCalibration(calibration, { digest, folder });
  return { model: model.name, path, tokens: tokens.length, spread: meanSpread(lambdas) };
}

function meanSpread(lambdas: readonly Float32Array[]): number {
  const spreads = lambdas.map((layer) => Math.max(...layer) / Math.min(...layer));
  return spreads.reduce((sum, spread) => sum + spread, 0) / spreads.length;
}
