// Hidden states of tokens behind some layers, for what looks at a text by more than the predictions behind it.

import { BufferUsage } from "./gpu/bufferUsage.ts";
import type { Prefill, PrefillModel, PrefillOptions } from "./prefill.ts";

export interface StatesRequest extends PrefillOptions {
  readonly tokens: readonly number[];
  /** So many layers of the model are behind each of the states, in rising order: 0 are the embeddings. */
  readonly layers: readonly number[];
}

/**
 * Read the tokens into an empty cache, where they stay.
 * @returns the residual stream [layers.length, tokens.length, hiddenSize]
 * @throws StoppedError when the signal fires
 */
export async function readStates(
  { gpu, decoder, cache }: PrefillModel,
  prefill: Prefill,
  { tokens, layers, ...options }: StatesRequest,
): Promise<Float32Array> {
  const { hiddenSize } = decoder.config;
  const { chunkLength } = decoder.activations;
  cache.clear();
  await decoder.reserve(cache.slotsFor(tokens.length, 0));
  const states = new Float32Array(layers.length * tokens.length * hiddenSize);
  const target = gpu.buffers.allocate({
    purpose: "activations",
    bytes: 4 * layers.length * Math.min(chunkLength, tokens.length) * hiddenSize,
    usage: BufferUsage.COPY_SRC | BufferUsage.COPY_DST,
  });
  try {
    await prefill.run(tokens, 0, {
      ...options,
      captured: { layers, target },
      // They last until the next chunk.
      onChunk: async (first, count) => {
        const size = count * hiddenSize;
        const found = new Float32Array(await gpu.read(target, 0, 4 * layers.length * size));
        for (const i of layers.keys())
          states.set(
            found.subarray(i * size, (i + 1) * size),
            (i * tokens.length + first) * hiddenSize,
          );
      },
    });
    return states;
  } finally {
    gpu.buffers.release(target);
  }
}
