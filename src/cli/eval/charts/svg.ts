// What charts share: a frame with a title, text that fits either colour scheme, escaped labels.

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly title: string;
}

/** Colours of lines, told apart by people who see few of them (Okabe and Ito). */
export const COLOURS = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#8a8a8a",
] as const;

/** A whole SVG document. */
export function svgDocument({ width, height, title }: Frame, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text({ x: width / 2, y: 20, anchor: "middle", size: 14 }, title),
    ...parts,
    "</svg>",
  ].join("\n");
}

export interface TextPlace {
  readonly x: number;
  readonly y: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly size?: number;
  readonly fill?: string;
}

export function text(
  { x, y, anchor = "start", size = 12, fill = "#1a1a1a" }: TextPlace,
  content: string,
): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${size}" fill="${fill}">${escapeText(content)}</text>`;
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeText(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
