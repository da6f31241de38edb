// The search finds by stems, accents folded, parts of identifiers, neighbouring words; a book is searched at once.

import assert from "node:assert/strict";
import { passageText, placeOf } from "../../../src/engine/answer/passages.ts";
import { SearchIndex } from "../../../src/engine/answer/searchIndex.ts";
import { searchPassages } from "../../../src/engine/answer/searchPassages.ts";
import { Shelf } from "../../../src/engine/answer/shelf.ts";
import { Terms } from "../../../src/engine/answer/terms.ts";
import { createDocument } from "../../../src/engine/documents/document.ts";
import { readDocuments } from "../../../src/engine/documents/readDocuments.ts";
import { StoppedError } from "../../../src/engine/errors.ts";
import { testData } from "../../support/testData.ts";
import { withFiles } from "../../support/writtenFiles.ts";

async function best(texts: readonly string[], question: string): Promise<string | undefined> {
  const documents = texts.map((text, i) =>
    createDocument(
      { path: `${i}`, label: `${i}` },
      { id: "text", kind: "prose" },
      { text, marks: [] },
    ),
  );
  const index = new SearchIndex();
  await index.add(documents);
  const [first] = index.search(documents, { text: question }, 3);
  return first && passageText(first);
}

describe("search", () => {
  it("finds plurals, verb forms, accents and parts of identifiers", async () => {
    const texts = [
      "The parliaments were established.",
      "Kutúzov’s cough",
      "function readDocuments() {}",
      "MAX_TOKEN_COUNT = 1",
    ];
    assert.equal(await best(texts, "when was the parliament establishing?"), texts[0]);
    assert.equal(await best(texts, "Kutuzov"), texts[1]);
    assert.equal(await best(texts, "what reads a document?"), texts[2]);
    assert.equal(await best(texts, "readDocuments"), texts[2]);
    assert.equal(await best(texts, "token counts"), texts[3]);
  });

  it("prefers words that stand together", async () => {
    const texts = [
      "the prime number and the minister of prime cuts",
      "the prime minister of it all said so then",
    ];
    assert.equal(await best(texts, "prime minister"), texts[1]);
  });

  it("finds Chinese by pairs of characters", async () => {
    const texts = ["甄士隐住在姑苏。", "贾雨村是一个读书人。"];
    assert.equal(await best(texts, "贾雨村是谁？"), texts[1]);
  });

  it("finds nothing for words that stand nowhere, and in nothing for no words", async () => {
    assert.equal(await best(["one text"], "zebra"), undefined);
    assert.equal(await best(["one text"], "?!"), undefined);
  });

  it("drops the words of questions unless there are no others", () => {
    const terms = new Terms();
    assert.deepEqual(terms.ofQuestion("What is the name of the river?"), ["river"]);
    assert.deepEqual(terms.ofQuestion("Who is it?"), ["who", "is", "it"]);
    assert.deepEqual(terms.ofQuestion("林黛玉的母亲是谁？"), ["林黛", "黛玉", "母亲"]);
  });

  it("gives the protocol's passages with the receipt", async () => {
    await withFiles({ "a.md": "# H\n\nA red kite flies.\n", "b.png": "x" }, async (folder) => {
      const params = { paths: [folder], question: "kites", limit: 1 };
      const { passages, skipped } = await searchPassages(params, new Shelf(), {});
      assert.equal(passages.length, 1);
      const { path, startLine, endLine, text, score } = passages[0] ?? assert.fail();
      assert.match(path, /a\.md$/);
      assert.deepEqual([startLine, endLine, text], [1, 3, "# H\n\nA red kite flies."]);
      assert.ok(score > 0);
      assert.equal(skipped.length, 1);
    });
  });

  it("stops while it indexes", async () => {
    const documents = [
      createDocument(
        { path: "a", label: "a" },
        { id: "text", kind: "prose" },
        { text: "some words to index here. ".repeat(200_000), marks: [] },
      ),
    ];
    const abort = new AbortController();
    setImmediate(() => abort.abort());
    await assert.rejects(new SearchIndex().add(documents, { signal: abort.signal }), StoppedError);
  });

  it("finds verses of the King James Bible by their words", async function () {
    const { documents } = await readDocuments([testData(this, "texts/kjv.txt")]);
    const index = new SearchIndex();
    await index.add(documents);
    for (const [question, verse] of [
      ["Who was cast into the den of lions?", "den of lions"],
      ["How long was Jonah in the belly of the fish?", "belly of the fish three days"],
    ] as const) {
      const found = index.search(documents, { text: question }, 5);
      assert.ok(
        found.some((passage) => passageText(passage).includes(verse)),
        question,
      );
      for (const passage of found) {
        const { startLine, endLine } = placeOf(passage);
        const lines = documents[0]?.text
          .split("\n")
          .slice(startLine - 1, endLine)
          .join("\n");
        assert.ok(lines?.includes(passageText(passage)));
      }
    }
  });
});
