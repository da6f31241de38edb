// llama.cpp on the CPU through node-llama-cpp: the reference that computes the same files independently.

import type { Llama, LlamaModel, Token } from "node-llama-cpp";
import { getLlama, LlamaLogLevel, NoBinaryFoundError } from "node-llama-cpp";
import { skip } from "./skip.ts";

const THREADS = 2;

export interface LlamaCppScores {
  /** −ln p(tokens[i + 1] | tokens[0..i]), length tokens.length − 1. */
  readonly nll: Float64Array;
  /** The likeliest token after tokens[0..i], length tokens.length. */
  readonly greedy: number[];
}

export interface LlamaCppOptions {
  /** Type of the KV cache; F32 leaves out a rounding that has nothing to do with the weights. Default F32. */
  readonly cacheType?: "F32" | "F16";
  /** Tokens per batch. */
  readonly batchSize?: number;
}

/**
 * Inside a `describe`: open llama.cpp, without a GPU and without its log, before its tests and close it behind them.
 * Skips where npm has no prebuilt one for this platform. Call the result within a test.
 */
export function useLlamaCpp(): () => Llama {
  let llama: Llama | undefined;
  before(async function () {
    try {
      llama = await getLlama({
        gpu: false,
        build: "never",
        maxThreads: THREADS,
        logLevel: LlamaLogLevel.error,
        skipDownload: true,
      });
    } catch (error) {
      if (error instanceof NoBinaryFoundError) skip(this, "no llama.cpp for this platform");
      throw error;
    }
  });
  after(() => llama?.dispose());
  return () => {
    if (llama === undefined) throw new Error("llama.cpp opens in a before hook: use it in a test");
    return llama;
  };
}

/** Teacher-forced negative log-likelihoods of `tokens` under the model at `path`. */
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
    const nll = new Float64Array(tokens.length - 1);
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
      if (i < nll.length) nll[i] = max + Math.log(total) - target;
    });
    return { nll, greedy };
  } finally {
    await context.dispose();
  }
}
