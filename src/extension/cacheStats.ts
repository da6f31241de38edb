// The engine's figures as a page: what was read and kept, where the bytes are, how fast it went, what is saved. A pure function.

import type { CacheMap, CacheStats, EngineSnapshot, Fidelity, SavedCaches } from "../protocol.ts";
import { cacheMapHtml } from "./cacheMap.ts";
import {
  block,
  bytes,
  commandLink,
  count,
  duration,
  escapeHtml,
  percent,
  type Row,
  section,
  table,
} from "./html.ts";
import type { Translate } from "./statusText.ts";

/** Commands that the page's links run. */
export const PAGE_COMMANDS = [
  "lectern.readIntoCache",
  "lectern.measureFidelity",
  "lectern.showCacheStats",
  "lectern.showLog",
] as const;

export interface CacheStatsPage {
  readonly snapshot: EngineSnapshot;
  readonly map?: CacheMap | undefined;
  readonly saved?: SavedCaches | undefined;
  /** Measured when it was asked for. */
  readonly fidelity?: Fidelity | undefined;
}

const MOST_SAVED = 8;

/** The body where the engine's figures could not be had. */
export function cacheStatsErrorHtml(reason: string, t: Translate): string {
  const links = [
    commandLink("lectern.showCacheStats", t("Try again")),
    commandLink("lectern.showLog", t("Show Log")),
  ];
  return [
    `<h1>${escapeHtml(t("Cache stats"))}</h1>`,
    `<p role="alert">${escapeHtml(reason)}</p>`,
    `<p>${links.join(" ")}</p>`,
  ].join("");
}

/** The body of the stats page. Every value is escaped. */
export function cacheStatsHtml(page: CacheStatsPage, t: Translate): string {
  const { snapshot, map, saved, fidelity } = page;
  const { lastRun, cache = lastRun?.cache } = snapshot;
  const [readIntoCache, measureFidelity] = PAGE_COMMANDS;
  const links = [
    commandLink(readIntoCache, t("Read a file into the cache")),
    ...(map ? [commandLink(measureFidelity, t("Compare with the full cache"))] : []),
  ];
  return [
    `<h1>${escapeHtml(t("Cache stats"))}</h1>`,
    lastRun || map ? "" : `<p class="hint">${escapeHtml(t("Ask a question to see its cost."))}</p>`,
    `<p>${links.join(" ")}</p>`,
    map ? cacheMapHtml(map, t) : "",
    fidelity ? section(t("Fidelity of {0}", fidelity.document), fidelityRows(fidelity, t)) : "",
    cache ? section(t("KV cache"), cacheRows(cache, t)) : "",
    cache ? block(t("KV cache by purpose"), shares(cache.bytesByPurpose ?? {}, t)) : "",
    block(t("GPU memory by purpose"), shares(snapshot.gpuBytes, t)),
    saved ? section(t("Saved caches"), savedRows(saved, t)) : "",
    lastRun ? section(t("Last question"), speedRows(lastRun, t)) : "",
    section(t("Engine"), engineRows(snapshot, t)),
  ].join("");
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

function cacheRows(cache: CacheStats, t: Translate): Row[] {
  const { tokensRead, tokensKept, bytesByPlace, restored, recall } = cache;
  const share = tokensRead > 0 ? tokensKept / tokensRead : 0;
  const stretched = cache.ropeScaling === "none" ? undefined : cache.ropeScaling;
  const places = bytesByPlace && [
    t("{0} on the GPU", bytes(bytesByPlace.gpu)),
    t("{0} in memory", bytes(bytesByPlace.host)),
    t("{0} on disk", bytes(bytesByPlace.disk)),
  ];
  return [
    { name: t("Tokens read"), value: count(tokensRead) },
    { name: t("Tokens kept"), value: `${count(tokensKept)} (${percent(share)})`, share },
    { name: t("Tokens evicted"), value: count(cache.tokensEvicted ?? 0) },
    { name: t("By layer and head"), value: perHead(cache, t) },
    {
      name: t("Policy"),
      value: [cache.policy, ...(cache.budget ? [t("budget {0}", count(cache.budget))] : [])].join(
        ", ",
      ),
    },
    {
      name: t("Positions"),
      value: [
        cache.positionScheme ?? "original",
        ...(stretched ? [t("RoPE scaling {0}", stretched)] : []),
      ].join(", "),
    },
    { name: t("Keys, values"), value: `${cache.typeK}, ${cache.typeV}` },
    { name: t("Size"), value: places?.join(", ") ?? bytes(cache.bytes) },
    { name: t("Size of a token"), value: bytes(cache.bytesPerToken) },
    ...(recall
      ? [
          {
            name: t("May come back"),
            value: t(
              "{0} evicted tokens in pages of {1}; for a question up to {2}, last {3}",
              ...[recall.tokens, recall.pageTokens, recall.limit, recall.recalled].map(count),
            ),
          },
        ]
      : []),
    ...(restored
      ? [
          {
            name: t("From disk"),
            value: restored.bitIdentical
              ? t("{0} tokens, bit for bit as they were read", count(restored.tokens))
              : t("{0} tokens; probabilities may differ by rounding", count(restored.tokens)),
          },
        ]
      : []),
  ];
}

/** Tokens that each head keeps: one figure where all keep the same, else the least and the most of each layer. */
function perHead({ tokensKeptPerHead = [], tokensRead }: CacheStats, t: Translate): string {
  const all = tokensKeptPerHead.flat();
  const [least, most] = [Math.min(...all), Math.max(...all)];
  if (all.length === 0) return "–";
  if (least === most)
    return t(
      "{0} kept, {1} evicted in each of {2} layers × {3} heads",
      ...[
        least,
        tokensRead - least,
        tokensKeptPerHead.length,
        tokensKeptPerHead[0]?.length ?? 0,
      ].map(count),
    );
  const layers = tokensKeptPerHead.map((heads, layer) => {
    const [low, high] = [Math.min(...heads), Math.max(...heads)];
    return `${layer}: ${low === high ? count(low) : `${count(low)}–${count(high)}`}`;
  });
  return t("kept in layer {0}", layers.join(", "));
}

function fidelityRows({ cache, predictions, ...measured }: Fidelity, t: Translate): Row[] {
  const { topAgreement, meanKl, maxKl } = measured;
  const kept = [count(cache.tokensKept), count(cache.tokensRead)] as const;
  return [
    { name: t("Compared"), value: t("{0} of {1} tokens kept, with all in f16", ...kept) },
    {
      name: t("Same likeliest token"),
      value: t("{0} of the last {1} tokens", percent(topAgreement), count(predictions)),
      share: topAgreement,
    },
    {
      name: t("KL divergence"),
      value: t("{0} nat on average, {1} at most", meanKl.toPrecision(3), maxKl.toPrecision(3)),
    },
  ];
}

function savedRows({ caches, disk, folder, limitBytes }: SavedCaches, t: Translate): Row[] {
  const total = caches.reduce((sum, cache) => sum + cache.bytes, 0);
  const shown = caches.slice(0, MOST_SAVED).map(
    (cache): Row => ({
      name: cache.document,
      value: t(
        "{0} of {1} tokens, {2}, {3}",
        ...[count(cache.tokensKept), count(cache.tokensRead), cache.policy, bytes(cache.bytes)],
      ),
    }),
  );
  const more = caches.length - shown.length;
  return [
    ...shown,
    ...(more > 0 ? [{ name: "…", value: t("{0} more", count(more)) }] : []),
    {
      name: t("All together"),
      value: t("{0} of at most {1} in {2}", bytes(total), bytes(limitBytes), folder),
      share: Math.min(1, total / limitBytes),
    },
    {
      name: t("Found on disk"),
      value: t(
        "{0} of {1} times, {2} of them in part",
        ...[count(disk.hits + disk.partialHits), count(disk.lookups), count(disk.partialHits)],
      ),
      share: disk.hitRate,
    },
  ];
}

function engineRows({ lastRun, model, adapter, ...snapshot }: EngineSnapshot, t: Translate): Row[] {
  return [
    { name: t("Model"), value: model?.name ?? lastRun?.model ?? t("not loaded yet") },
    ...(model ? [{ name: t("Architecture"), value: model.architecture }] : []),
    { name: t("Adapter"), value: adapterName(adapter, lastRun?.adapter, t) },
    ...matrixUnitsRow(lastRun, t),
    { name: "Node", value: `${snapshot.node.version}, ${snapshot.node.executable}` },
    { name: t("Process"), value: String(snapshot.pid) },
    { name: t("Memory of the process"), value: bytes(snapshot.hostBytes) },
    { name: t("Windows attached"), value: String(snapshot.clients) },
    { name: t("Running for"), value: duration(snapshot.uptimeMs) },
  ];
}

/** Bytes by name, each as a share of the sum. */
function shares(named: Readonly<Record<string, number>>, t: Translate): string {
  const entries = Object.entries(named).sort(([, a], [, b]) => b - a);
  const total = entries.reduce((sum, [, value]) => sum + value, 0);
  const rows = entries.map(([name, value]) => ({
    name,
    value: bytes(value),
    share: total > 0 ? value / total : 0,
  }));
  return table([...rows, { name: t("Total"), value: bytes(total) }]);
}

function matrixUnitsRow(lastRun: EngineSnapshot["lastRun"], t: Translate): Row[] {
  if (lastRun?.matrixUnits === undefined) return [];
  const used = lastRun.matrixUnits ? t("in use") : t("not in use");
  return [{ name: t("Matrix units"), value: lastRun.matrixUnitsProblem ?? used }];
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
