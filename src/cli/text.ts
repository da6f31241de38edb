// Results as text for people; `--json` prints the same results for programs.

import type {
  Answer,
  Citation,
  Coverage,
  Fidelity,
  Ingestion,
  Passage,
  RunStats,
  SavedCaches,
  Skipped,
  Summary,
} from "../protocol.ts";
import { textTable } from "./textTable.ts";

const shownSkips = 5;

/** The answer, its citations, what was read, and how fast. */
export function answerText(answer: Answer): string {
  return paragraphs([
    answer.answer + (answer.partial ? " [stopped before its end]" : ""),
    answer.citations.map(citationText).join("\n"),
    [...(answer.notes ?? []), coverageText(answer.coverage), ...statsText(answer.stats)].join("\n"),
  ]);
}

/** The summary, its sections, what was read, and how fast. */
export function summaryText(summary: Summary): string {
  const sections = summary.sections.map(
    ({ title, summary: text, startLine, endLine }) =>
      `${title} (lines ${startLine}-${endLine})\n${text}`,
  );
  const method =
    summary.method === "extractive"
      ? "Extractive: sentences of the text, not the model's own."
      : "";
  return paragraphs([
    summary.summary,
    ...sections,
    [method, coverageText(summary.coverage), ...statsText(summary.stats)]
      .filter(Boolean)
      .join("\n"),
  ]);
}

/** `path:10-24` and the passage below it. */
export function passageText(passage: Passage): string {
  return `${placeText(passage)} (score ${passage.score.toFixed(2)})\n${passage.text.trimEnd()}`;
}

/** What was read and kept, where it is saved, and how fast. */
export function ingestionText(ingestion: Ingestion): string {
  const { document, tokensRead, tokensKept, policy, bytes, path, restored, skipped } = ingestion;
  const what = restored ? "was saved before" : "is saved";
  const { budget } = ingestion.stats.cache;
  return paragraphs([
    `${document} ${what}: ${count(tokensRead)} tokens read, ${count(Math.round(tokensKept))} kept (policy ${policy}${budget === undefined ? "" : `, budget ${count(budget)}`}), ${megabytes(bytes)} in ${path}`,
    [skippedText(skipped), ...(restored ? [] : statsText(ingestion.stats))]
      .filter(Boolean)
      .join("\n"),
  ]);
}

/** The saved caches as a table, the room they take, and how often they were found. */
export function savedCachesText({ caches, folder, limitBytes, disk }: SavedCaches): string {
  const total = caches.reduce((sum, { bytes }) => sum + bytes, 0);
  const room = `${megabytes(total)} of at most ${megabytes(limitBytes)} in ${folder}.`;
  const { lookups, hits, partialHits, tokensRequested, tokensRestored, hitRate } = disk;
  const found =
    lookups === 0
      ? ""
      : `Looked for ${count(lookups)} times since ${disk.days[0]?.day}: found ${count(hits)} times whole, ${count(partialHits)} in part (${percent(hitRate)}); ${count(tokensRestored)} of ${count(tokensRequested)} tokens did not have to be read.`;
  if (caches.length === 0)
    return ["No caches are saved: `lectern ingest PATH` makes one.", found]
      .filter(Boolean)
      .join("\n");
  const head = [
    "document",
    "model",
    "policy",
    "read",
    "kept",
    "disk",
    "memory",
    "GPU",
    "last used",
  ];
  const rows = caches.map((cache) => [
    cache.document,
    cache.model,
    cache.policy,
    count(cache.tokensRead),
    count(Math.round(cache.tokensKept)),
    megabytes(cache.bytes),
    megabytes(cache.hostBytes),
    megabytes(cache.gpuBytes),
    cache.lastUsed.slice(0, 16).replace("T", " "),
  ]);
  return paragraphs([textTable(head, rows), [room, found].filter(Boolean).join("\n")]);
}

/** How far a cache is from the full one. */
export function fidelityText({ document, cache, full, ...measured }: Fidelity): string {
  const { predictions, topAgreement, meanKl, maxKl, skipped } = measured;
  const types = `keys ${cache.typeK}, values ${cache.typeV}`;
  const kept = `${count(Math.round(cache.tokensKept))} of ${count(cache.tokensRead)} tokens`;
  const room = `${megabytes(cache.bytesPerToken * cache.tokensKept)} instead of ${megabytes(full.bytesPerToken * full.tokensKept)}`;
  return [
    `${document} under policy ${cache.policy}, ${types}: ${kept} kept, ${room}.`,
    `Against the full cache at its last ${count(predictions)} tokens: the same likeliest token at ${percent(topAgreement)}, KL divergence ${meanKl.toPrecision(3)} nat on average, ${maxKl.toPrecision(3)} at most.`,
    skippedText(skipped),
  ]
    .filter(Boolean)
    .join("\n");
}

/** What was left out, the first few by name; empty when nothing was. */
export function skippedText(skipped: readonly Skipped[]): string {
  if (skipped.length === 0) return "";
  const shown = skipped.slice(0, shownSkips).map(({ path, reason }) => `${path} (${reason})`);
  const more = skipped.length > shownSkips ? `, and ${skipped.length - shownSkips} more` : "";
  return `skipped ${shown.join(", ")}${more}`;
}

function citationText(citation: Citation): string {
  const mark = citation.verified
    ? "✓ quote found"
    : citation.origin === "passage"
      ? "passage"
      : "✗ quote not found";
  const quote = citation.quote.replace(/\s+/g, " ").trim();
  const shown = quote.length > 300 ? `${quote.slice(0, 300)}…` : quote;
  return `  ${mark}  ${placeText(citation)}\n      “${shown}”`;
}

function placeText({ path, startLine, endLine, page }: Omit<Passage, "score" | "text">): string {
  const lines = startLine === endLine ? `${startLine}` : `${startLine}-${endLine}`;
  return `${path}:${lines}${page === undefined ? "" : `, page ${page}`}`;
}

function coverageText(coverage: Coverage): string {
  const { tokensTotal, tokensSearched, tokensInCache, tokensReread, skipped } = coverage;
  const parts =
    tokensInCache > 0
      ? [`Cache holds ${count(tokensInCache)} of ${count(tokensTotal)} tokens`]
      : [
          `Searched ${count(tokensSearched)} of ${count(tokensTotal)} tokens`,
          ...(tokensReread > 0 ? [`read ${count(tokensReread)} again word for word`] : []),
        ];
  const left = skippedText(skipped);
  return `${parts.join(", ")}${left ? `; ${left}` : ""}.`;
}

function prefillText(prefill: RunStats["prefill"]): string[] {
  if (prefill?.blocksAttended === undefined) return [];
  const share = (100 * prefill.blocksAttended).toFixed(0);
  return [
    `Prefill attended to ${share} % of the blocks (${prefill.sparsity}): what stands in the others may be missed.`,
  ];
}

function statsText(stats: RunStats | undefined): string[] {
  if (!stats) return [];
  const speed = (perSecond: number) => count(Math.round(perSecond));
  return [
    `${stats.model} on ${stats.adapter}${stats.adapterIsSoftware ? " (on the CPU: slow)" : ""}: ${count(stats.promptTokens)} tokens in at ${speed(stats.prefillTokensPerSecond)}/s, ${count(stats.generatedTokens)} out at ${speed(stats.decodeTokensPerSecond)}/s, first after ${(stats.timeToFirstTokenMs / 1000).toFixed(1)} s.`,
    ...prefillText(stats.prefill),
  ];
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function paragraphs(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("\n\n");
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
