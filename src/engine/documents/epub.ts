// EPUB: the chapters of the spine, in order, as one text. Lines are lines of that text; chapters and headings are anchors.

import { posix } from "node:path";
import { strFromU8 } from "fflate";
import { Parser } from "htmlparser2";
import { throwIfStopped, UserError } from "../errors.ts";
import { decodeText } from "./decodeText.ts";
import type { BinaryReader, DocumentText, Mark } from "./document.ts";
import { readHtml } from "./html.ts";
import { type Files, unpackZip } from "./zip.ts";

const TEXT_FILE = /\.(?:x?html?|xml|opf)$/i;

/** EPUB 2 and 3. */
export const epub: BinaryReader = {
  name: "EPUB",
  extensions: ["epub"],
  kind: "prose",
  async readBytes(bytes, { signal } = {}) {
    const counts = (name: string): boolean => TEXT_FILE.test(name);
    const files = await unpackZip(bytes, "EPUB", { counts, unpacks: true });
    const container = textOf(files, "META-INF/container.xml");
    const [rootfile] = elements(container, "rootfile");
    const packagePath = rootfile?.["full-path"] ?? "";
    const opf = textOf(files, packagePath);
    const chapters = spineOf(opf).map((href) => posix.join(posix.dirname(packagePath), href));
    if (chapters.length === 0) throw new UserError("This EPUB names no chapters.");
    const texts: DocumentText[] = [];
    for (const path of chapters) {
      throwIfStopped(signal);
      texts.push(readHtml(textOf(files, path)));
    }
    return join(texts);
  },
};

function textOf(files: Files, path: string): string {
  const bytes = files[path] ?? files[decodeURIComponent(path)];
  if (!bytes) throw new UserError(`This EPUB lacks its file ${path || "list"}.`);
  return decodeText(bytes) ?? strFromU8(bytes, true);
}

function spineOf(opf: string): string[] {
  const manifest = new Map(elements(opf, "item").map((item) => [item.id, item]));
  return elements(opf, "itemref").flatMap(({ idref }) => {
    const item = manifest.get(idref);
    const isText = item?.["media-type"] === "application/xhtml+xml";
    return item?.href && isText ? [item.href] : [];
  });
}

function elements(xml: string, name: string): Record<string, string>[] {
  const found: Record<string, string>[] = [];
  const parser = new Parser(
    {
      onopentag: (tag, attributes) => {
        if (tag === name || tag.endsWith(`:${name}`)) found.push(attributes);
      },
    },
    { xmlMode: true },
  );
  parser.end(xml);
  return found;
}

// An empty line stands between chapters; their own source lines mean nothing outside of the zip.
function join(chapters: readonly DocumentText[]): DocumentText {
  const marks: Mark[] = [];
  let text = "";
  for (const chapter of chapters) {
    if (chapter.text.trim() === "") continue;
    if (text !== "") text += "\n";
    for (const mark of chapter.marks) marks.push({ ...mark, offset: mark.offset + text.length });
    text += chapter.text;
  }
  return { text, marks };
}
