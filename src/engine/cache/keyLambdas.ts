// SmoothAttention's λ of the keys that a cache in f32 holds.

import type { DecoderConfig } from "../model/decoderConfig.ts";
import { planeRows } from "./cacheRows.ts";
import { largestMagnitudes, smoothingLambdas } from "./smoothing.ts";
import type { CacheOnGpu } from "./snapshot.ts";

/** λ of each layer [numKvHeads, headDim]. */
export async function keyLambdas(
  { gpu, cache }: Pick<CacheOnGpu, "gpu" | "cache">,
  { layers, numKvHeads, headDim }: Pick<DecoderConfig, "layers" | "numKvHeads" | "headDim">,
): Promise<Float32Array[]> {
  if (cache.shape.typeK !== "f32") throw new Error("keys are looked at in f32");
  const lambdas: Float32Array[] = [];
  for (const { layer, plane, buffer, slotBytes, firstRows } of planeRows(cache)) {
    const rope = layers[layer]?.rope;
    if (plane !== "keys" || rope === undefined) continue;
    const headValues = cache.length * headDim;
    const keys = new Float32Array(numKvHeads * headValues);
    for (const [head, firstRow] of firstRows.entries()) {
      const rows = await gpu.read(buffer, firstRow * slotBytes, 4 * headValues);
      keys.set(new Float32Array(rows), head * headValues);
    }
    lambdas.push(smoothingLambdas(largestMagnitudes(keys, { numKvHeads, headDim }), headDim, rope));
  }
  return lambdas;
}
