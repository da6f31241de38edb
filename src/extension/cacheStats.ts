// The engine's snapshot as a page: what was read and kept, where the bytes are, how fast it went. A pure function.

import type { EngineSnapshot } from "../protocol.ts";
import type { Translate } from "./statusText.ts";

interface Row {
  readonly name: string;
  readonly value: string;
  /** 0 to 1: drawn as a bar. */
  readonly share?: number;
}

/** The body of the stats page. Every value is escaped. */
export function cacheStatsHtml(snapshot: EngineSnapshot, t: Translate): string {
  const { lastRun, cache = lastRun?.cache, model, adapter } = snapshot;
  const sections = [
    lastRun && section(t("Last question"), speedRows(lastRun, t)),
    cache && section(t("KV cache"), cacheRows(cache, t)),
    section(t("GPU memory by purpose"), byteRows(snapshot.gpuBytes, t)),
    section(t("Engine"), [
      { name: t("Model"), value: model?.name ?? lastRun?.model ?? t("not loaded yet") },
      ...(model ? [{ name: t("Architecture"), value: model.architecture }] : []),
      { name: t("Adapter"), value: adapterName(adapter, lastRun?.adapter, t) },
      { name: "Node", value: `${snapshot.node.version}, ${snapshot.node.executable}` },
      { name: t("Process"), value: String(snapshot.pid) },
      { name: t("Memory of the process"), value: bytes(snapshot.hostBytes) },
      { name: t("Windows attached"), value: String(snapshot.clients) },
      { name: t("Running for"), value: duration(snapshot.uptimeMs) },
    ]),
  ];
  const none = lastRun
    ? ""
    : `<p class="hint">${escapeHtml(t("Ask a question to see its cost."))}</p>`;
  return `<h1>${escapeHtml(t("Cache stats"))}</h1>${none}${sections.filter(Boolean).join("")}`;
}

function speedRows(run: NonNullable<EngineSnapshot["lastRun"]>, t: Translate): Row[] {
  return [
    { name: t("Prompt"), value: t("{0} tokens", count(run.promptTokens)) },
    { name: t("Answer"), value: t("{0} tokens", count(run.generatedTokens)) },
    { name: t("Prefill"), value: speed(run.prefillTokensPerSecond, run.prefillMs) },
    { name: t("Decode"), value: speed(run.decodeTokensPerSecond, run.decodeMs) },
    { name: t("Time to first token"), value: `${Math.round(run.timeToFirstTokenMs)} ms` },
  ];
}

function cacheRows(cache: NonNullable<EngineSnapshot["cache"]>, t: Translate): Row[] {
  const share = cache.tokensRead > 0 ? cache.tokensKept / cache.tokensRead : 0;
  return [
    { name: t("Tokens read"), value: count(cache.tokensRead) },
    {
      name: t("Tokens kept"),
      value: `${count(Math.round(cache.tokensKept))} (${Math.round(share * 100)} %)`,
      share,
    },
    { name: t("Policy"), value: cache.policy },
    { name: t("Keys, values"), value: `${cache.typeK}, ${cache.typeV}` },
    { name: t("Size"), value: bytes(cache.bytes) },
    { name: t("Size of a token"), value: bytes(cache.bytesPerToken) },
  ];
}

function byteRows(gpuBytes: EngineSnapshot["gpuBytes"], t: Translate): Row[] {
  const entries = Object.entries(gpuBytes).sort(([, a], [, b]) => b - a);
  const total = entries.reduce((sum, [, value]) => sum + value, 0);
  const rows = entries.map(([name, value]) => ({
    name,
    value: bytes(value),
    share: total > 0 ? value / total : 0,
  }));
  return [...rows, { name: t("Total"), value: bytes(total) }];
}

function section(title: string, rows: readonly Row[]): string {
  const cells = rows.map(({ name, value, share }) => {
    const bar = share === undefined ? "" : `<meter min="0" max="1" value="${share}"></meter>`;
    return `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td><td>${bar}</td></tr>`;
  });
  return `<section><h2>${escapeHtml(title)}</h2><table>${cells.join("")}</table></section>`;
}

function adapterName(
  adapter: EngineSnapshot["adapter"],
  fallback: string | undefined,
  t: Translate,
): string {
  if (!adapter) return fallback ?? t("not asked for yet");
  const software = adapter.isSoftware ? `, ${t("software: slow")}` : "";
  return `${adapter.name} (${adapter.backend}${software})`;
}

function speed(tokensPerSecond: number, ms: number): string {
  return `${tokensPerSecond.toFixed(tokensPerSecond < 100 ? 1 : 0)} tokens/s, ${duration(ms)}`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** Bytes in the unit that leaves one to three digits before the point. */
export function bytes(value: number): string {
  const units = ["bytes", "kB", "MB", "GB"] as const;
  const power = value < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(value) / 3));
  const scaled = value / 1000 ** power;
  return `${power === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${units[power]}`;
}

function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}
