// What a run is measured with, and what it says of itself when it has ended.

import type { CacheStats, PrefillStats, RunStats } from "../protocol.ts";
import type { Capabilities } from "./gpu/capabilities.ts";
import type { Gpu } from "./gpu/device.ts";
import { offersMatrixUnits } from "./model/operations/parts.ts";

export interface RunTokens {
  readonly prompt: number;
  /** Those of the prompt that the cache did not hold. */
  readonly read: number;
  readonly generated: number;
}

/** When a run was prefilled, and when its first and last tokens came. */
export class Clock {
  readonly #beganMs = performance.now();
  #prefilledMs = this.#beganMs;
  #firstMs: number | undefined;
  #lastMs = this.#beganMs;

  prefilled(): void {
    this.#prefilledMs = performance.now();
  }

  token(): void {
    this.#lastMs = performance.now();
    this.#firstMs ??= this.#lastMs;
  }

  times(): { prefillMs: number; decodeMs: number; firstTokenMs: number } {
    const firstMs = this.#firstMs ?? this.#prefilledMs;
    return {
      prefillMs: this.#prefilledMs - this.#beganMs,
      decodeMs: Math.max(0, this.#lastMs - firstMs),
      firstTokenMs: firstMs - this.#beganMs,
    };
  }
}

/** A run's stats, at its end. */
export function runStats(
  clock: Clock,
  tokens: RunTokens,
  {
    name,
    gpu,
    cache,
    prefill,
  }: { name: string; gpu: Gpu; cache: CacheStats; prefill: PrefillStats | undefined },
): RunStats {
  const { prefillMs, decodeMs, firstTokenMs } = clock.times();
  return {
    model: name,
    adapter: gpu.capabilities.name,
    ...(gpu.capabilities.isSoftware && { adapterIsSoftware: true }),
    ...matrixUnitsStats(gpu.capabilities),
    promptTokens: tokens.prompt,
    generatedTokens: tokens.generated,
    prefillMs,
    decodeMs,
    prefillTokensPerSecond: perSecond(tokens.read, prefillMs),
    // The first token comes with the prefill.
    decodeTokensPerSecond: perSecond(tokens.generated - 1, decodeMs),
    timeToFirstTokenMs: firstTokenMs,
    gpuBytes: gpu.buffers.bytes(),
    cache,
    ...(prefill && { prefill }),
  };
}

function perSecond(count: number, ms: number): number {
  return ms > 0 && count > 0 ? (1000 * count) / ms : 0;
}

function matrixUnitsStats(
  capabilities: Capabilities,
): Pick<RunStats, "matrixUnits" | "matrixUnitsProblem"> {
  if (!offersMatrixUnits(capabilities)) return {};
  const { usesMatrixUnits, matrixUnitsProblem } = capabilities;
  return { matrixUnits: usesMatrixUnits, ...(matrixUnitsProblem && { matrixUnitsProblem }) };
}
