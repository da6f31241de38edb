// Pieces of text with their places on a page, to lines and paragraphs. Order is the file's own: pdf.js says where lines end.

/** What pdf.js says of a piece of text; `transform` holds its place, in units of 1/72 inch from the bottom left. */
export interface PlacedText {
  readonly str: string;
  readonly hasEOL: boolean;
  readonly height: number;
  readonly transform: readonly unknown[];
}

/** A line of a page. */
export interface PdfLine {
  readonly text: string;
  /** Whether a paragraph begins with it. */
  readonly isFirst: boolean;
}

interface RawLine {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

/** A gap between lines' feet, in heights of a line, from which on it parts paragraphs; text has 1.1 to 1.4. */
const PARAGRAPH_GAP = 1.7;
/** A first line's indent, in heights of a line. */
const INDENT = 0.7;
const SENTENCE_END = /[.!?:;"”’)\]]$/;
/** Letters in the shapes they take beside others, and ligatures: as they are typed, so that words are found. */
const SHAPES = /[\uFB00-\uFB4F\uFB50-\uFDFF\uFE70-\uFEFC]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: fonts without a map to Unicode give such
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** Lines with text, top of the page first where the file draws it so. */
export function linesOf(items: readonly PlacedText[]): PdfLine[] {
  const lines = rawLinesOf(items);
  return lines.map((line, i) => {
    const [before, after] = [lines[i - 1], lines[i + 1]];
    return {
      text: line.text,
      isFirst: before === undefined || beginsParagraph(before, line, after),
    };
  });
}

function rawLinesOf(items: readonly PlacedText[]): RawLine[] {
  const lines: RawLine[] = [];
  let text = "";
  let place: PlacedText | undefined;
  const end = (): void => {
    const clean = text.replace(CONTROLS, "").replace(SHAPES, (c) => c.normalize("NFKC"));
    const line = clean.replace(/\s+/g, " ").trim();
    if (line !== "" && place) {
      const [x, y] = [Number(place.transform[4]), Number(place.transform[5])];
      lines.push({ text: line, x, y, height: place.height });
    }
    text = "";
    place = undefined;
  };
  for (const item of items) {
    if (item.str.trim() !== "") place ??= item;
    text += item.str;
    if (item.hasEOL) end();
  }
  end();
  return lines;
}

function beginsParagraph(before: RawLine, line: RawLine, after: RawLine | undefined): boolean {
  const gap = before.y - line.y;
  // A line further up begins another column, where a paragraph may go on.
  if (gap < 0) return false;
  const height = Math.max(1, Math.min(before.height, line.height));
  if (gap > PARAGRAPH_GAP * height) return true;
  const indent = INDENT * height;
  const isIndented =
    line.x > before.x + indent && (after === undefined || after.x < line.x - indent);
  return isIndented && SENTENCE_END.test(before.text);
}
