// The sampling settings among an operation's parameters; answers are greedy unless asked otherwise.

import type { SamplingSettings } from "../../protocol.ts";

/** The settings that were given, and temperature 0 where none was. */
export function samplingOf(params: SamplingSettings): SamplingSettings {
  const { maxTokens, temperature = 0, topK, topP, minP, repetitionPenalty, seed, stop } = params;
  const given = { maxTokens, temperature, topK, topP, minP, repetitionPenalty, seed, stop };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
