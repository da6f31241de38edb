// The loaded cache as a picture over its documents: which parts are still held, layer by layer, and how much attention they
// received. SVG without scripts; a table beside it says the same in words.

import type { CacheMap, CacheMapBin } from "../protocol.ts";
import { block, count, escapeHtml, percent, type Row, table } from "./html.ts";
import type { Translate } from "./statusText.ts";

// In units of the drawing, which is stretched to the page's width.
const WIDTH = 960;
const OVERVIEW_HEIGHT = 40;
const MOST_LAYERS_HEIGHT = 160;
const MOST_DOCUMENTS = 12;
/** Strengths of colour that are told apart. */
const STRENGTHS = 20;

/** Sections of the page for a map. */
export function cacheMapHtml(map: CacheMap, t: Translate): string {
  const { bins, tokens } = map;
  const held = bins.reduce((sum, { kept, numTokens }) => sum + kept * numTokens, 0);
  const said = t(
    "{0} of {1} tokens are in memory ({2}), policy {3}. The stronger the colour, the more of a part is there.",
    count(held),
    count(tokens),
    percent(held / tokens),
    map.policy,
  );
  const documents = byDocument(bins);
  const rows = documents.slice(0, MOST_DOCUMENTS).map(
    ({ label, lines, held: heldHere, tokens: all }): Row => ({
      name: label,
      value: t(
        "lines {0}–{1}: {2} of {3} tokens",
        `${lines[0]}`,
        `${lines[1]}`,
        count(heldHere),
        count(all),
      ),
      share: heldHere / all,
    }),
  );
  const more = documents.length - rows.length;
  if (more > 0) rows.push({ name: "…", value: t("{0} more documents", count(more)) });
  return [
    block(
      t("Kept tokens of {0}", map.document),
      `<p class="hint">${escapeHtml(said)}</p>${overview(bins, t)}${axis(map, t)}${table(rows)}`,
    ),
    block(
      t("Kept tokens by layer"),
      layers(
        t("Share of each part that each layer keeps, the first layer on top"),
        "kept",
        map.keptByLayer,
      ),
    ),
    map.attentionByLayer
      ? block(
          t("Attention by layer"),
          `<p class="hint">${escapeHtml(t("Attention that the kept tokens received while the text was read, the first layer on top. Each layer is drawn against its strongest part, weak parts more strongly than in proportion."))}</p>${layers(t("Attention that each part received in each layer"), "attention", map.attentionByLayer.map(againstStrongest))}`,
        )
      : "",
  ].join("");
}

/** A row of cells for each layer, drawn as one shape for each strength: there may be thousands of them. */
function layers(label: string, kind: string, values: readonly (readonly number[])[]): string {
  const height = Math.max(3, Math.min(14, Math.floor(MOST_LAYERS_HEIGHT / values.length)));
  const shapes = new Map<number, string>();
  for (const [layer, row] of values.entries())
    for (const { strength, first, end } of runs(row)) {
      const [x, width] = [(first / row.length) * WIDTH, ((end - first) / row.length) * WIDTH];
      const cell = `M${fixed(x)} ${layer * height}h${fixed(width)}v${height - 1}h${fixed(-width)}z`;
      shapes.set(strength, (shapes.get(strength) ?? "") + cell);
    }
  const paths = [...shapes].map(
    ([strength, path]) =>
      `<path class="${kind}" fill-opacity="${fixed(strength / STRENGTHS)}" d="${path}"/>`,
  );
  return picture(label, values.length * height, paths.join(""));
}

/** Neighbours of equal strength, from 1 to STRENGTHS; what is not there is left out. */
function runs(row: readonly number[]): { strength: number; first: number; end: number }[] {
  const found: { strength: number; first: number; end: number }[] = [];
  for (const [cell, value] of row.entries()) {
    const strength = Math.ceil(value * STRENGTHS);
    const last = found.at(-1);
    if (last?.strength === strength && last.end === cell) last.end++;
    else if (strength > 0) found.push({ strength, first: cell, end: cell + 1 });
  }
  return found;
}

/** A cell for each bin, with its place in words. */
function overview(bins: readonly CacheMapBin[], t: Translate): string {
  const width = WIDTH / bins.length;
  const cells = bins.map((bin, i) => {
    const place = `x="${fixed(i * width)}" width="${fixed(width)}" height="${OVERVIEW_HEIGHT}"`;
    return `<rect class="kept" ${place} fill-opacity="${fixed(bin.kept)}"><title>${escapeHtml(titleOf(bin, t))}</title></rect>`;
  });
  const label = t("Share of each part of the text that is in memory");
  return picture(label, OVERVIEW_HEIGHT, cells.join(""));
}

function picture(label: string, height: number, content: string): string {
  return `<svg class="map" role="img" aria-label="${escapeHtml(label)}" viewBox="0 0 ${WIDTH} ${height}" preserveAspectRatio="none" shape-rendering="crispEdges" height="${height}"><rect class="track" width="${WIDTH}" height="${height}"/>${content}</svg>`;
}

function axis({ bins, tokens }: CacheMap, t: Translate): string {
  const [first, last] = [bins.find(({ place }) => place), bins.findLast(({ place }) => place)];
  const [from, to] =
    first?.place && last?.place
      ? [
          `${first.place.label}:${first.place.startLine}`,
          `${last.place.label}:${last.place.endLine}`,
        ]
      : [t("token {0}", "1"), t("token {0}", count(tokens))];
  return `<div class="axis"><span>${escapeHtml(from)}</span><span>${escapeHtml(to)}</span></div>`;
}

function titleOf({ place, kept }: CacheMapBin, t: Translate): string {
  if (!place) return t("the prompt's own words: {0} kept", percent(kept));
  const lines =
    place.startLine === place.endLine
      ? `${place.startLine}`
      : `${place.startLine}–${place.endLine}`;
  return t("{0}:{1}: {2} kept", place.label, lines, percent(kept));
}

interface DocumentShare {
  readonly label: string;
  readonly lines: readonly [number, number];
  readonly held: number;
  readonly tokens: number;
}

function byDocument(bins: readonly CacheMapBin[]): DocumentShare[] {
  const documents = new Map<string, DocumentShare>();
  for (const { place, kept, numTokens } of bins) {
    if (!place) continue;
    const { path, label, startLine, endLine } = place;
    const before = documents.get(path);
    documents.set(path, {
      label,
      lines: [before?.lines[0] ?? startLine, Math.max(before?.lines[1] ?? 0, endLine)],
      held: (before?.held ?? 0) + kept * numTokens,
      tokens: (before?.tokens ?? 0) + numTokens,
    });
  }
  return [...documents.values()];
}

/** Cube roots, so that what is weak beside the sinks still shows. */
function againstStrongest(layer: readonly number[]): number[] {
  const most = Math.max(...layer);
  return layer.map((value) => (most > 0 ? Math.cbrt(value / most) : 0));
}

function fixed(value: number): string {
  return Number(value.toFixed(3)).toString();
}
