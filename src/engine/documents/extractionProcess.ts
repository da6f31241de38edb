// Child process that takes the text out of files, one after another, until the process that asks is gone. Files come from anywhere, and
// a broken one may keep its parser busy for minutes.

import { UserError } from "../errors.ts";
import type { DocumentText } from "./document.ts";
import { readDocx } from "./docxText.ts";
import { readPdf } from "./pdfText.ts";

export interface ExtractionRequest {
  readonly format: "pdf" | "docx";
  readonly bytes: Uint8Array;
}

export type ExtractionReply =
  | { readonly state: "ready" }
  | { readonly state: "pages"; readonly done: number; readonly total: number }
  | { readonly state: "read"; readonly text: DocumentText }
  | { readonly state: "failed"; readonly reason: string };

function reply(message: ExtractionReply): void {
  process.send?.(message);
}

async function read({ format, bytes }: ExtractionRequest): Promise<DocumentText> {
  if (format === "docx") return readDocx(bytes);
  return readPdf(bytes, (done, total) => reply({ state: "pages", done, total }));
}

process.on("message", (request: ExtractionRequest) => {
  read(request).then(
    (text) => reply({ state: "read", text }),
    (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      const isPlain = error instanceof UserError;
      reply({
        state: "failed",
        reason: isPlain ? reason : `This file cannot be read (${reason}).`,
      });
    },
  );
});
reply({ state: "ready" });
