// `read`: the text that Lectern sees, anchors in code points, tokens by the model's own tokenizer.

import assert from "node:assert/strict";
import { readTexts } from "../../../src/engine/answer/readTexts.ts";
import { Shelf } from "../../../src/engine/answer/shelf.ts";
import { readDocuments } from "../../../src/engine/documents/readDocuments.ts";
import { StoppedError } from "../../../src/engine/errors.ts";
import { characterTokenizer } from "../../support/scriptedModel.ts";
import { testData } from "../../support/testData.ts";
import { withFiles } from "../../support/writtenFiles.ts";

const tools = () => ({ shelf: new Shelf(), tokenizer: characterTokenizer });

describe("read", () => {
  it("gives text, anchors and tokens of each document, and what was skipped", async () => {
    await withFiles({ "a.md": "😀\r\n\r\n# Two\r\n", "b.png": "x" }, async (folder) => {
      const { documents, skipped } = await readTexts([folder], tools(), {});
      assert.deepEqual(documents, [
        {
          path: `${folder}/a.md`,
          format: "markdown",
          text: "😀\n\n# Two\n",
          anchors: [
            { offset: 0, line: 1 },
            { offset: 3, line: 3, heading: "Two" },
          ],
          tokens: 9,
        },
      ]);
      assert.deepEqual(skipped, [{ path: `${folder}/b.png`, reason: "binary file" }]);
    });
  });

  it("counts a long book in pieces, each character once, and only once a book", async function () {
    const path = testData(this, "texts/moby-dick-2701-0.txt");
    const { documents } = await readDocuments([path]);
    const shelf = new Shelf();
    let calls = 0;
    const tokenizer = {
      ...characterTokenizer,
      encode: (text: string) => {
        calls++;
        return characterTokenizer.encode(text);
      },
    };
    const total = await shelf.countTokens(documents, tokenizer);
    assert.equal(total, [...(documents[0]?.text ?? "")].length);
    const before = calls;
    await shelf.countTokens(documents, tokenizer);
    assert.equal(calls, before);
  });

  it("stops while it counts", async () => {
    await withFiles({ "a.txt": "words and more words\n".repeat(100_000) }, async (folder) => {
      const { documents } = await readDocuments([folder]);
      const abort = new AbortController();
      setImmediate(() => abort.abort());
      await assert.rejects(
        new Shelf().countTokens(documents, characterTokenizer, abort.signal),
        StoppedError,
      );
    });
  });
});
