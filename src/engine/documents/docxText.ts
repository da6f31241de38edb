// A DOCX by way of HTML: paragraphs, lists, tables and notes. Pictures are not looked at, nor is anything outside of the file.

import mammoth from "mammoth";
import { UserError } from "../errors.ts";
import type { DocumentText } from "./document.ts";
import { readHtml } from "./html.ts";
import { unpackZip } from "./zip.ts";

/** Arrows that lead back from notes. */
const BACK = /<a href="#(?:foot|end)note-ref-[^"]*">↑<\/a>/g;

/** Throws UserError for a file that is no DOCX. */
export async function readDocx(bytes: Uint8Array): Promise<DocumentText> {
  await unpackZip(bytes, "DOCX", { unpacks: false });
  const convertImage = mammoth.images.imgElement(async () => ({ src: "" }));
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const { value } = await mammoth.convertToHtml({ buffer }, { convertImage });
    return readHtml(value.replace(BACK, ""));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`This is no valid DOCX (${reason}).`);
  }
}
