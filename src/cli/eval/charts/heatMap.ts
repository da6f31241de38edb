// A heat map: one cell for each pair of values, dark red for nothing right to green for all right, the figure in it.

import { round, svgDocument, text } from "./svg.ts";

export interface HeatMap {
  readonly title: string;
  readonly x: { readonly title: string; readonly labels: readonly string[] };
  readonly y: { readonly title: string; readonly labels: readonly string[] };
  /** [y][x], from 0 to 1; undefined where nothing was measured. */
  readonly values: readonly (readonly (number | undefined)[])[];
  format(value: number): string;
}

const CELL = { width: 84, height: 36 };
const MARGIN = { left: 76, top: 54, right: 20, bottom: 52 };

/** The map as an SVG document. */
export function drawHeatMap({ title, x, y, values, format }: HeatMap): string {
  const inner = { width: CELL.width * x.labels.length, height: CELL.height * y.labels.length };
  const width = Math.max(MARGIN.left + inner.width + MARGIN.right, 7.2 * title.length + 20);
  const height = MARGIN.top + inner.height + MARGIN.bottom;
  const cells = values.flatMap((row, j) =>
    row.map((value, i) => {
      const left = MARGIN.left + i * CELL.width;
      const top = MARGIN.top + j * CELL.height;
      const box = `<rect x="${left}" y="${top}" width="${CELL.width - 2}" height="${CELL.height - 2}" fill="${colourOf(value)}"/>`;
      const place = { x: left + CELL.width / 2, y: top + CELL.height / 2 + 4 };
      const label = value === undefined ? "" : format(value);
      return box + text({ ...place, anchor: "middle" }, label);
    }),
  );
  const bottom = MARGIN.top + inner.height;
  return svgDocument({ width: round(width), height, title }, [
    ...cells,
    ...x.labels.map((label, i) =>
      text({ x: MARGIN.left + (i + 0.5) * CELL.width, y: bottom + 18, anchor: "middle" }, label),
    ),
    ...y.labels.map((label, j) =>
      text(
        { x: MARGIN.left - 8, y: MARGIN.top + (j + 0.5) * CELL.height + 4, anchor: "end" },
        label,
      ),
    ),
    text({ x: MARGIN.left + inner.width / 2, y: bottom + 40, anchor: "middle" }, x.title),
    text({ x: 8, y: MARGIN.top - 10 }, y.title),
  ]);
}

// Pale, so that the figure can be read on it.
function colourOf(value: number | undefined): string {
  if (value === undefined) return "#eeeeee";
  const share = Math.min(1, Math.max(0, value));
  return `hsl(${Math.round(120 * share)} 62% 72%)`;
}
