// Lines over a horizontal axis of numbers, evenly spaced by their order, with a legend.

import { COLOURS, round, svgDocument, text } from "./svg.ts";

export interface LineChart {
  readonly title: string;
  readonly x: { readonly title: string; readonly labels: readonly string[] };
  readonly y: { readonly title: string; readonly isShare: boolean };
  readonly lines: readonly {
    readonly label: string;
    /** One for each label of the axis; undefined where nothing was measured. */
    readonly values: readonly (number | undefined)[];
  }[];
  format(value: number): string;
}

const PLOT = { left: 70, top: 48, width: 420, height: 240 };
const LEGEND_WIDTH = 280;
const NUM_TICKS = 5;

/** The chart as an SVG document. */
export function drawLineChart({ title, x, y, lines, format }: LineChart): string {
  const all = lines.flatMap(({ values }) => values.filter((value) => value !== undefined));
  const scale = y.isShare ? { low: 0, high: 1 } : rangeOf(all);
  const placeX = (i: number) =>
    PLOT.left + PLOT.width * (x.labels.length < 2 ? 0.5 : i / (x.labels.length - 1));
  const placeY = (value: number) =>
    PLOT.top + PLOT.height * (1 - (value - scale.low) / (scale.high - scale.low));
  const bottom = PLOT.top + PLOT.height;
  const ticks = Array.from({ length: NUM_TICKS }, (_, i) => {
    const value = scale.low + ((scale.high - scale.low) * i) / (NUM_TICKS - 1);
    const at = round(placeY(value));
    return `<path d="M${PLOT.left} ${at}h${PLOT.width}" stroke="#dddddd"/>${text({ x: PLOT.left - 8, y: at + 4, anchor: "end" }, format(value))}`;
  });
  const drawn = lines.map(({ label, values }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    // Where there are more lines than colours, the later ones are dashed.
    const dash = i < COLOURS.length ? "" : ' stroke-dasharray="5 3"';
    const points = values.flatMap((value, at) =>
      value === undefined ? [] : [{ x: round(placeX(at)), y: round(placeY(value)) }],
    );
    const path = points.map((point, at) => `${at === 0 ? "M" : "L"}${point.x} ${point.y}`).join("");
    const dots = points.map(
      (point) => `<circle cx="${point.x}" cy="${point.y}" r="3" fill="${colour}"/>`,
    );
    const legendY = PLOT.top + 12 + 20 * i;
    const legendX = PLOT.left + PLOT.width + 20;
    return [
      `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`,
      ...dots,
      `<path d="M${legendX} ${legendY - 4}h18" stroke="${colour}" stroke-width="3"${dash}/>`,
      text({ x: legendX + 24, y: legendY }, label),
    ].join("");
  });
  const frame = {
    width: PLOT.left + PLOT.width + LEGEND_WIDTH,
    height: Math.max(bottom + 52, PLOT.top + 20 * lines.length + 20),
    title,
  };
  return svgDocument(frame, [
    ...ticks,
    ...x.labels.map((label, i) => text({ x: placeX(i), y: bottom + 18, anchor: "middle" }, label)),
    text({ x: PLOT.left + PLOT.width / 2, y: bottom + 40, anchor: "middle" }, x.title),
    text({ x: 8, y: PLOT.top - 12 }, y.title),
    ...drawn,
  ]);
}

// A little more than the values need; a flat line gets an axis, too.
function rangeOf(values: readonly number[]): { low: number; high: number } {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
  return { low: low - margin, high: high + margin };
}
