// How far an operation is, in words: what it does, how much is done, how fast, how long it will take.

import type { Progress } from "../protocol.ts";

const PHASES: Record<Progress["phase"], string> = {
  load: "Loading the model",
  walk: "Finding files",
  read: "Reading files",
  index: "Indexing",
  search: "Searching",
  prefill: "Reading the passages",
  decode: "Answering",
  summarize: "Summarizing",
};

/** For example "Reading files · 120 of 340 files · 85 files/s · about 3 s left". */
export function progressText(progress: Progress, t: (text: string) => string): string {
  const { phase, done, total, unit, ratePerSecond, remainingMs, detail } = progress;
  const parts = [t(PHASES[phase])];
  if (phase === "decode") parts.push(`${count(done)} ${t(unit)}`);
  else if (total > 0) parts.push(`${amount(done, unit)} of ${amount(total, unit)} ${t(unit)}`);
  if (ratePerSecond !== undefined && ratePerSecond > 0) {
    parts.push(`${amount(ratePerSecond, unit)} ${t(unit)}/s`);
  }
  if (isMeasured(progress) && remainingMs !== undefined && remainingMs >= 1000)
    parts.push(`about ${duration(remainingMs)} left`);
  // Files that are only walked through pass too fast to be read.
  if (detail && (phase === "prefill" || phase === "decode")) parts.push(detail);
  return parts.join(" · ");
}

/** Whether the total is known; that of an answer is only the most it may become. */
export function isMeasured({ phase, total }: Progress): boolean {
  return total > 0 && phase !== "decode";
}

/** "1,234", "12.3k", "4.5M"; bytes in megabytes. */
export function count(value: number): string {
  if (value < 10_000) return Math.round(value).toLocaleString("en-US");
  if (value < 1_000_000) return `${(value / 1000).toFixed(value < 100_000 ? 1 : 0)}k`;
  return `${(value / 1_000_000).toFixed(1)}M`;
}

function amount(value: number, unit: Progress["unit"]): string {
  return unit === "bytes" ? `${(value / 1e6).toFixed(1)}M` : count(value);
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
