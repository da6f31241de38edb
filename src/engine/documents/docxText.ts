// A DOCX by way of HTML: paragraphs, lists, tables and notes. Pictures are not looked at, nor is anything outside of the file.

import { unzip } from "fflate";
import mammoth from "mammoth";
import { UserError } from "../errors.ts";
import type { DocumentText } from "./document.ts";
import { readHtml } from "./html.ts";

/** A zip may claim to hold far more than it weighs. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;
/** Arrows that lead back from notes. */
const BACK = /<a href="#(?:foot|end)note-ref-[^"]*">↑<\/a>/g;

/** Throws UserError for a file that is no DOCX. */
export async function readDocx(bytes: Uint8Array): Promise<DocumentText> {
  await checkSize(bytes);
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

/** Throws where the file is no zip, or unpacks to too much. */
function checkSize(bytes: Uint8Array): Promise<void> {
  let unpacked = 0;
  return new Promise((resolve, reject) => {
    const filter = ({ originalSize }: { originalSize: number }): boolean => {
      unpacked += originalSize;
      return false;
    };
    unzip(bytes, { filter }, (error) => {
      if (error) reject(new UserError(`This is no valid DOCX (${error.message}).`));
      else if (unpacked > MAX_UNPACKED_BYTES)
        reject(new UserError("This DOCX unpacks to over 256 MB."));
      else resolve();
    });
  });
}
