// What stands at a numbered place.

import assert from "node:assert/strict";
import { findPlaces, placeAskedFor } from "../../../src/engine/answer/placeSearch.ts";
import { createDocument } from "../../../src/engine/documents/document.ts";
import { plainText } from "../../../src/engine/documents/plainText.ts";
import { ask } from "./support/askAbout.ts";

const TEXT = `Contents
Psalms
Isaiah

Psalms

22:31 They shall come.
A Psalm of David
23:1 The LORD is my shepherd;
I shall not want.
23:2 He maketh me to lie down.

1 Samuel

1:1 Now there was a man.
2:1 And Hannah prayed.

Isaiah

1:1 The vision.
2:1 The word.
13:10 For the stars of heaven.
`;

async function found(question: string, text = TEXT): Promise<string[]> {
  const format = { id: "text", kind: "prose" } as const;
  const document = createDocument({ path: "a", label: "a" }, format, plainText.readText(text));
  const place = placeAskedFor(question);
  const places = place ? await findPlaces([document], place) : [];
  return places.map(({ start, end }) => document.text.slice(start, end));
}

describe("place search", () => {
  for (const question of [
    "What is written in Isaiah 13:10?",
    "what does Isaiah 13:10 say?",
    "Quote the book of Isaiah, chapter 13:10.",
    "Isaiah 13:10",
  ])
    it(`finds “${question}”`, async () =>
      assert.deepEqual(await found(question), ["13:10 For the stars of heaven."]));

  it("takes the lines that continue a number, below a title of its own, in the plural or the singular", async () => {
    const psalm = ["23:1 The LORD is my shepherd;\nI shall not want."];
    assert.deepEqual(await found("What is written in Psalm 23:1?"), psalm);
  });

  it("stays within what the heading heads", async () => {
    assert.deepEqual(await found("1 Samuel 2:1"), ["2:1 And Hannah prayed."]);
    assert.deepEqual(await found("What does 1 Samuel 13:10 say?"), []);
    assert.deepEqual(await found("What is written in Jeremiah 1:1?"), []);
  });

  it("reads numbers with a point, in Markdown's headings", async () => {
    const text =
      "# Terms\n\n## Article\n\n### 4.1 Notice\n\n4.2 The tenant pays.\n\n# Annex\n\n4.2 Nothing.\n";
    assert.deepEqual(await found("What does Article 4.2 say?", text), ["4.2 The tenant pays."]);
  });

  it("leaves other questions alone", () => {
    for (const question of ["Who was Isaiah?", "At 13:10 what happened?", "Is 4.2 more than 3.1?"])
      assert.equal(placeAskedFor(question), undefined, question);
  });

  it("answers with a quote of the place and its line", async () => {
    const { answer, citations } = await ask("What is written in Isaiah 13:10?", {
      files: { "bible.txt": TEXT },
    });
    assert.equal(answer, "“13:10 For the stars of heaven.”");
    assert.deepEqual(
      citations.map(({ startLine, endLine }) => [startLine, endLine]),
      [[22, 22]],
    );
  });
});
