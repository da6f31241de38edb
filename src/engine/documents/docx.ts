// DOCX: paragraphs, lists, tables and notes as text, headings as anchors. Pictures are not looked at, nor is anything outside of the file.

import { unzip } from "fflate";
import { UserError } from "../errors.ts";
import type { BinaryReader } from "./document.ts";
import { readHtml } from "./html.ts";

/** A zip may claim to hold far more than it weighs. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

export const docx: BinaryReader = {
  name: "Word",
  extensions: ["docx"],
  kind: "prose",
  async readBytes(bytes) {
    await checkSize(bytes);
    // Code that who reads no DOCX need not wait for.
    const { default: mammoth } = await import("mammoth");
    const convertImage = mammoth.images.imgElement(async () => ({ src: "" }));
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    try {
      const { value } = await mammoth.convertToHtml({ buffer }, { convertImage });
      // Arrows that lead back from notes.
      return readHtml(value.replace(/<a href="#(?:foot|end)note-ref-[^"]*">↑<\/a>/g, ""));
    } catch (error) {
      throw new UserError(`This is no valid DOCX (${(error as Error).message}).`);
    }
  },
};

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
