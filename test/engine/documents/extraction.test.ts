// Parsers of untrusted files run in a process of their own: what stops them, and that the next file is read all the same.

import assert from "node:assert/strict";
import { extractText } from "../../../src/engine/documents/extraction.ts";
import { StoppedError, UserError } from "../../../src/engine/errors.ts";
import { pdfOf } from "../../support/pdf.ts";

const bytes = pdfOf({ pages: [["One page."], ["Another."]] });
const request = { format: "pdf", bytes } as const;

describe("taking text out of files", function () {
  this.timeout(60_000);

  it("reads one after another and several at once, and tells of pages", async () => {
    const pages: string[] = [];
    const onPages = (done: number, total: number): void => void pages.push(`${done}/${total}`);
    const { text } = await extractText(request, { onPages });
    assert.equal(text, "One page.\n\nAnother.\n");
    assert.deepEqual(pages, ["0/2", "1/2"]);
    const again = await Promise.all([extractText(request), extractText(request)]);
    assert.deepEqual(
      again.map((read) => read.text),
      [text, text],
    );
  });

  it("names a broken file and reads the next one", async () => {
    const broken = { format: "docx", bytes: bytes.subarray(0, 100) } as const;
    await assert.rejects(extractText(broken), UserError);
    assert.match((await extractText(request)).text, /Another/);
  });

  it("gives up a file that takes too long", async () => {
    await assert.rejects(
      // Reading it begins anew in another process, which takes longer than this to start.
      Promise.all([extractText(request, { silentMs: 1 }), extractText(request, { silentMs: 1 })]),
      (error) => error instanceof UserError && /took over 0\.001 s/.test(error.message),
    );
    assert.match((await extractText(request)).text, /Another/);
  });

  it("stops when asked to", async () => {
    const stop = new AbortController();
    const reading = extractText(request, { signal: stop.signal, onPages: () => stop.abort() });
    await assert.rejects(reading, StoppedError);
    await assert.rejects(extractText(request, { signal: stop.signal }), StoppedError);
    assert.match((await extractText(request)).text, /Another/);
  });
});
