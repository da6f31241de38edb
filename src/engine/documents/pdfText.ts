// The text of a PDF's pages, in the order the file draws it, and its outline.

import { getDocumentProxy } from "unpdf";
import { UserError } from "../errors.ts";
import type { DocumentText } from "./document.ts";
import { linesOf } from "./pdfLines.ts";
import { joinPages, type OutlineEntry, type PdfPage } from "./pdfPages.ts";

type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>;
/** Entries of an outline that are looked at: some files list every paragraph. */
const MAX_OUTLINE = 2000;
/** pdf.js: errors alone. */
const VERBOSITY = 0;

/** Throws UserError for a file that is no PDF, is locked, or has no text. */
export async function readPdf(
  bytes: Uint8Array,
  onPages: (done: number, total: number) => void,
): Promise<DocumentText> {
  const file = await open(bytes);
  try {
    return await readPages(file, onPages);
  } finally {
    await file.loadingTask.destroy();
  }
}

async function open(bytes: Uint8Array): Promise<Pdf> {
  try {
    // A copy: pdf.js takes the buffer away.
    return await getDocumentProxy(new Uint8Array(bytes), { verbosity: VERBOSITY });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    if (name === "PasswordException")
      throw new UserError("This PDF is locked with a password: save a copy without one.");
    throw new UserError(`This is no valid PDF (${message.replace(/\.$/, "")}).`);
  }
}

async function readPages(
  file: Pdf,
  onPages: (done: number, total: number) => void,
): Promise<DocumentText> {
  const pages: PdfPage[] = [];
  const unread: string[] = [];
  for (let number = 1; number <= file.numPages; number++) {
    onPages(number - 1, file.numPages);
    try {
      const page = await file.getPage(number);
      const { items } = await page.getTextContent();
      pages.push({
        number,
        lines: linesOf(items.flatMap((item) => ("str" in item ? [item] : []))),
      });
      page.cleanup();
    } catch (error) {
      unread.push(`page ${number} (${error instanceof Error ? error.message : String(error)})`);
    }
  }
  if (pages.every(({ lines }) => lines.length === 0)) {
    const [first] = unread;
    throw new UserError(
      first === undefined
        ? "This PDF holds pictures of its pages and no text: run text recognition (OCR) over it first."
        : `This PDF cannot be read: ${first}.`,
    );
  }
  const read = joinPages(pages, await outlineOf(file));
  return unread.length === 0 ? read : { ...read, unread: listed(unread) };
}

/** The outline, flattened. Entries that lead nowhere are left out. */
async function outlineOf(file: Pdf): Promise<OutlineEntry[]> {
  const entries: OutlineEntry[] = [];
  const visit = async (items: Awaited<ReturnType<Pdf["getOutline"]>>, level: number) => {
    for (const { title, dest, items: inner } of items ?? []) {
      if (entries.length >= MAX_OUTLINE) return;
      const page = await pageOf(file, dest).catch(() => undefined);
      if (page !== undefined && title.trim() !== "") entries.push({ title, level, page });
      await visit(inner, level + 1);
    }
  };
  await visit(await file.getOutline().catch(() => []), 1);
  return entries;
}

async function pageOf(file: Pdf, dest: string | unknown[] | null): Promise<number | undefined> {
  const explicit = typeof dest === "string" ? await file.getDestination(dest) : dest;
  const page: unknown = explicit?.[0];
  if (typeof page === "number") return page + 1;
  // pdf.js checks what kind of reference it is.
  return page === undefined ? undefined : 1 + (await file.getPageIndex(page as never));
}

function listed(unread: readonly string[]): string {
  const [first, ...more] = unread;
  return more.length === 0 ? `${first}` : `${first} and ${more.length} more pages`;
}
