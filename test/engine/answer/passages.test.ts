// Passages hold the whole text, verbatim, in bounded pieces with true lines.

import assert from "node:assert/strict";
import { passageText, placeOf, splitPassages } from "../../../src/engine/answer/passages.ts";
import { createDocument, type Mark } from "../../../src/engine/documents/document.ts";
import { readDocuments } from "../../../src/engine/documents/readDocuments.ts";
import { testData } from "../../support/testData.ts";

function documentOf(text: string, kind: "prose" | "code" = "prose", marks: Mark[] = []) {
  return createDocument({ path: "a", label: "a" }, { id: "text", kind }, { text, marks });
}

const condensed = (text: string) => text.replace(/\s+/g, "");

describe("passages", () => {
  it("join short paragraphs, and break before headings", () => {
    const text = "Intro one.\n\nIntro two.\n\nTITLE\n\nBody.\n";
    const marks = [{ offset: text.indexOf("TITLE"), heading: "TITLE" }];
    const passages = splitPassages(documentOf(text, "prose", marks));
    assert.deepEqual(passages.map(passageText), ["Intro one.\n\nIntro two.", "TITLE\n\nBody."]);
    assert.deepEqual(placeOf(passages[1] ?? assert.fail()), {
      path: "a",
      startLine: 5,
      endLine: 7,
      heading: "TITLE",
    });
  });

  it("cut a paragraph of one long line at sentence ends", () => {
    const sentence = "This sentence is about fifty characters in length. ";
    const passages = splitPassages(documentOf(sentence.repeat(60)));
    assert.ok(passages.length > 1);
    for (const passage of passages) assert.match(passageText(passage), /^This .* length\.$/s);
  });

  it("never split a surrogate pair where there is no place to cut", () => {
    for (const lead of ["", "a"]) {
      const text = lead + "😀".repeat(2000);
      const passages = splitPassages(documentOf(text));
      assert.equal(passages.map(passageText).join(""), text);
      for (const passage of passages) assert.doesNotMatch(passageText(passage), /^[\udc00-\udfff]/);
    }
  });

  for (const name of ["war-and-peace-2600-0", "kjv", "hongloumeng"]) {
    it(`of ${name} hold all of its text, in order, none over the limit`, async function () {
      const { documents } = await readDocuments([testData(this, `texts/${name}.txt`)]);
      const [document] = documents;
      assert.ok(document);
      const passages = splitPassages(document);
      assert.equal(condensed(passages.map(passageText).join("")), condensed(document.text));
      for (const passage of passages) {
        const text = passageText(passage);
        assert.ok(text.length <= 1200, `${text.length} characters`);
        assert.equal(text, text.trimEnd());
      }
    });
  }
});
