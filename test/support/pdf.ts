// A small PDF, as simple as the format allows: one font without outlines of its letters, and a map from its codes to Unicode.

export interface PdfSketch {
  /** Lines of each page; an empty one leaves a gap as between paragraphs. */
  readonly pages: readonly (readonly string[])[];
  /** [title, page from 1] */
  readonly outline?: readonly (readonly [string, number])[];
}

const LINE_HEIGHT = 12;

/** The bytes of a PDF with these pages. */
export function pdfOf({ pages, outline = [] }: PdfSketch): Uint8Array {
  const characters = [...new Set(pages.flat().join(""))];
  const hex = (text: string): string =>
    [...text].map((c) => (characters.indexOf(c) + 1).toString(16).padStart(4, "0")).join("");
  const unicode = characters.map((c) => `<${hex(c)}> <${utf16(c)}>`);
  const toUnicode = `begincmap\n1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n${unicode.length} beginbfchar\n${unicode.join("\n")}\nendbfchar\nendcmap`;
  // 1 catalogue, 2 pages, 3 font, 4 its descendant, 5 map, 6 outline, then two for each page, then the outline's entries.
  const firstEntry = 7 + 2 * pages.length;
  const pageObject = (i: number): string => `${7 + 2 * i} 0 R`;
  const objects = [
    `<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>`,
    `<< /Type /Pages /Count ${pages.length} /Kids [${pages.map((_, i) => pageObject(i)).join(" ")}] >>`,
    `<< /Type /Font /Subtype /Type0 /BaseFont /Sketch /Encoding /Identity-H /DescendantFonts [4 0 R] /ToUnicode 5 0 R >>`,
    `<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Sketch /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 600 >>`,
    stream(toUnicode),
    outline.length === 0
      ? "<< /Type /Outlines /Count 0 >>"
      : `<< /Type /Outlines /First ${firstEntry} 0 R /Last ${firstEntry + outline.length - 1} 0 R /Count ${outline.length} >>`,
    ...pages.flatMap((lines, i) => [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F 3 0 R >> >> /Contents ${8 + 2 * i} 0 R >>`,
      stream(drawing(lines, hex)),
    ]),
    ...outline.map(([title, page], i) => {
      const [before, after] = [i > 0, i + 1 < outline.length];
      const links = `${before ? `/Prev ${firstEntry + i - 1} 0 R ` : ""}${after ? `/Next ${firstEntry + i + 1} 0 R ` : ""}`;
      return `<< /Title <feff${utf16(title)}> /Parent 6 0 R ${links}/Dest [${pageObject(page - 1)} /Fit] >>`;
    }),
  ];
  return assemble(objects);
}

function drawing(lines: readonly string[], hex: (text: string) => string): string {
  return lines
    .map((line, i) => `BT /F 10 Tf 50 ${750 - LINE_HEIGHT * i} Td <${hex(line)}> Tj ET`)
    .filter((_, i) => lines[i] !== "")
    .join("\n");
}

function stream(content: string): string {
  return `<< /Length ${content.length} >>\nstream\n${content}\nendstream`;
}

function utf16(text: string): string {
  return Buffer.from(text, "utf16le").swap16().toString("hex");
}

function assemble(objects: readonly string[]): Uint8Array {
  let body = "%PDF-1.7\n";
  const offsets = objects.map((object, i) => {
    const offset = body.length;
    body += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const entries = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`);
  const size = objects.length + 1;
  return Buffer.from(
    `${body}xref\n0 ${size}\n0000000000 65535 f \n${entries.join("")}trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${body.length}\n%%EOF\n`,
    "latin1",
  );
}
