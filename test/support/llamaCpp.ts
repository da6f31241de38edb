// llama.cpp on the CPU through node-llama-cpp: the reference that computes the same files independently.

import type { Llama, LlamaModel, Token } from "node-llama-cpp";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const THREADS = 2;

export interface LlamaCppScores {
  /** ln p(tokens[i + 1] | tokens[0..i]), length tokens.length − 1. */
  readonly logProbabilities: Float64Array;
  /** The likeliest token after tokens[0..i], length tokens.length. */
  readonly greedy: number[];
}

export interface LlamaCppOptions {
  /** Type of the KV cache; F32 leaves out a rounding that has nothing to do with the weights. Default F32. */
  readonly cacheType?: "F32" | "F16";
  /** Tokens per batch. */
  readonly batchSize?: number;
}

/** A llama.cpp without a GPU and without its log. Dispose of it after the tests. */
export async function openLlamaCpp(): Promise<Llama> {
  return getLlama({
    gpu: false,
    build: "never",
    maxThreads: THREADS,
    logLevel: LlamaLogLevel.error,
    skipDownload: true,
  });
}

/** Teacher-forced log-probabilities of `tokens` under the model at `path`. */
export async function scoreWithLlamaCpp(
  llama: Llama,
  path: string,
  tokens: readonly number[],
  options: LlamaCppOptions = {},
): Promise<LlamaCppScores> {
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false });
  try {
    return await score(model, tokens, options);
  } finally {
    await model.dispose();
  }
}

async function score(
  model: LlamaModel,
  tokens: readonly number[],
  { cacheType = "F32", batchSize = 512 }: LlamaCppOptions,
): Promise<LlamaCppScores> {
  const context = await model.createContext({
    contextSize: Math.max(256, tokens.length + 8),
    batchSize,
    threads: THREADS,
    flashAttention: false,
    swaFullCache: true,
    experimentalKvCacheKeyType: cacheType,
    experimentalKvCacheValueType: cacheType,
  });
  try {
    const results = await context.getSequence().controlledEvaluate(
      tokens.map((token, i) => [
        // Token is a branded number; ids of the file are what it stands for.
        token as Token,
        {
          generateNext: {
            logits: { filter: { tokens: [(tokens[i + 1] ?? 0) as Token], includeTop: 1 } },
            totalLogitWeight: true,
            options: { temperature: 0 },
          },
        },
      ]),
    );
    const logProbabilities = new Float64Array(tokens.length - 1);
    const greedy: number[] = [];
    results.forEach((result, i) => {
      const logits = result?.next.logits;
      const total = result?.next.totalLogitWeight;
      // Asked for the target and the likeliest token; the higher of the two is the maximum.
      const [likeliest, max] = [...(logits ?? [])].sort((a, b) => b[1] - a[1])[0] ?? [];
      const target = logits?.get((tokens[i + 1] ?? 0) as Token);
      if (
        likeliest === undefined ||
        max === undefined ||
        target === undefined ||
        total === undefined
      )
        throw new Error(`llama.cpp gave no logits at ${i}`);
      greedy.push(likeliest);
      if (i < logProbabilities.length) logProbabilities[i] = target - max - Math.log(total);
    });
    return { logProbabilities, greedy };
  } finally {
    await context.dispose();
  }
}
