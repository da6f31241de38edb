// Prefill and decode speed of llama.cpp, measured as `lectern bench` measures: random tokens, greedy, after a warm-up.

import type { LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";

export interface SpeedTest {
  /** Tokens prefilled or decoded. */
  readonly tokens: number;
  /** Tokens already in the context. */
  readonly depth: number;
  readonly kind: "prefill" | "decode";
}

export interface SpeedOptions {
  readonly threads: number;
  readonly repeat: number;
}

/** Median of tokens per second over `repeat` runs. */
export async function llamaCppSpeed(
  model: LlamaModel,
  test: SpeedTest,
  { threads, repeat }: SpeedOptions,
): Promise<number> {
  const context = await model.createContext({
    contextSize: Math.max(256, test.depth + test.tokens + 8),
    batchSize: 512,
    threads,
    flashAttention: true,
  });
  try {
    const sequence = context.getSequence();
    const speeds: number[] = [];
    for (let i = 0; i <= repeat; i++) speeds.push(await measure(sequence, model, test));
    const measured = speeds.slice(1).sort((a, b) => a - b);
    return measured[Math.floor(measured.length / 2)] ?? 0;
  } finally {
    await context.dispose();
  }
}

async function measure(
  sequence: LlamaContextSequence,
  model: LlamaModel,
  { kind, tokens, depth }: SpeedTest,
): Promise<number> {
  await sequence.clearHistory();
  const before = randomTokens(model, kind === "prefill" ? depth : Math.max(0, depth - 1));
  if (before.length > 0) await sequence.evaluateWithoutGeneratingNewTokens(before);
  const beganMs = performance.now();
  if (kind === "prefill") {
    await sequence.evaluateWithoutGeneratingNewTokens(randomTokens(model, tokens));
  } else {
    await decode(sequence, randomTokens(model, 1), tokens);
  }
  return (tokens / (performance.now() - beganMs)) * 1000;
}

async function decode(
  sequence: LlamaContextSequence,
  prompt: Token[],
  tokens: number,
): Promise<void> {
  let decoded = 0;
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    decoded++;
    if (decoded === tokens) return;
  }
}

function randomTokens(model: LlamaModel, count: number): Token[] {
  const vocabSize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  // Token is a branded number.
  return Array.from({ length: count }, () => Math.floor(Math.random() * vocabSize) as Token);
}
