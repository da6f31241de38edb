// The contract of every document format, and what each one makes of its own kind of file.

import assert from "node:assert/strict";
import { strToU8, zipSync } from "fflate";
import { sourceLineAt } from "../../../src/engine/documents/document.ts";
import {
  documentFormatOf,
  documentFormats,
  formatIds,
} from "../../../src/engine/documents/index.ts";
import { readDocuments } from "../../../src/engine/documents/readDocuments.ts";
import { UserError } from "../../../src/engine/errors.ts";
import { testData } from "../../support/testData.ts";
import { withFiles } from "../../support/writtenFiles.ts";

const SAMPLES: Record<string, string | Uint8Array> = {
  epub: zipSync({
    "META-INF/container.xml": strToU8(
      '<container><rootfiles><rootfile full-path="O/p.opf"/></rootfiles></container>',
    ),
    "O/p.opf": strToU8(
      '<opf:package xmlns:opf="x"><opf:manifest><opf:item id="b" href="b.xhtml" media-type="application/xhtml+xml"/><opf:item id="a" href="a%20a.xhtml" media-type="application/xhtml+xml"/></opf:manifest><opf:spine><opf:itemref idref="a"/><opf:itemref idref="b"/></opf:spine></opf:package>',
    ),
    "O/a a.xhtml": strToU8("<html><body><h1>One 😀</h1><p>first</p></body></html>"),
    "O/b.xhtml": strToU8("<html><body><h1>Two</h1><p>second</p></body></html>"),
  }),
  text: "CHAPTER I\n\nIt began 😀 here.\n\nCHAPTER II\n\nAnd went on.\n",
  markdown: "# One 😀\n\ntext\n\nTwo\n---\n\n```\n# not a heading\n```\n",
  code: "// 😀\nexport function one() {}\n\nclass Two {}\n",
  html: "<html><head><title>t</title><script>no()</script></head>\n<body><h1>One 😀</h1>\n<p>First\nline</p>\n\n<h2>Two</h2><pre>a\n b</pre></body></html>",
  notebook: JSON.stringify(
    {
      nbformat: 4,
      metadata: { language_info: { name: "python" } },
      cells: [
        { cell_type: "markdown", source: ["# One 😀\n", "text"] },
        {
          cell_type: "code",
          source: "# not a heading\nx = 1",
          outputs: [{ text: ["secret output"] }],
        },
        { cell_type: "markdown", source: ["## Two"] },
      ],
    },
    null,
    1,
  ),
};

describe("document formats", () => {
  for (const id of formatIds()) {
    const format = documentFormats[id];

    it(`${id}: has endings of its own, in lower case`, () => {
      for (const ending of format.extensions.filter(Boolean)) {
        assert.equal(ending, ending.toLowerCase());
        assert.equal(documentFormatOf(`a.${ending}`), id);
      }
    });

    it(`${id}: anchors are code points in order, each at the start of its heading`, async () => {
      const sample = SAMPLES[id] ?? assert.fail(`no sample for ${id}`);
      await withFiles({ [`a.${format.extensions[0]}`]: sample }, async (folder) => {
        const [document] = (await readDocuments([folder])).documents;
        assert.ok(document);
        assert.equal(document.format, id);
        assert.equal(document.anchors[0]?.offset, 0);
        const points = [...document.text];
        let previous = -1;
        const headings: string[] = [];
        for (const { offset, heading } of document.anchors) {
          assert.ok(offset > previous && offset <= points.length);
          previous = offset;
          if (heading === undefined) continue;
          headings.push(heading);
          const start = points
            .slice(offset)
            .join("")
            .replace(/^[#\s]+/, "");
          assert.ok(start.replace(/\s+/g, " ").startsWith(heading), `${heading} at ${offset}`);
        }
        assert.equal(headings.length, 2);
      });
    });
  }

  it("knows nested code fences and both kinds of Markdown headings", async () => {
    const source = "````\n```\n# no\n````\n## Yes ##\n\nAlso\n====\n- not\n---\n";
    await withFiles({ "a.md": source }, async (folder) => {
      const [document] = (await readDocuments([folder])).documents;
      const headings = document?.anchors.flatMap(({ heading, line }) =>
        heading ? [`${line} ${heading}`] : [],
      );
      assert.deepEqual(headings, ["5 Yes", "7 Also"]);
    });
  });

  it("gives every line of an HTML page its line in the source", async () => {
    await withFiles({ "a.html": String(SAMPLES.html) }, async (folder) => {
      const [document] = (await readDocuments([folder])).documents;
      assert.ok(document);
      assert.equal(document.text, "One 😀\n\nFirst line\n\nTwo\n\na\n b\n");
      const lineOf = (words: string) => sourceLineAt(document, document.text.indexOf(words));
      assert.deepEqual(["One", "First", "Two", "a\n", " b"].map(lineOf), [2, 3, 6, 6, 7]);
    });
  });

  it("reads a real page's article without its scripts", async function () {
    const path = testData(this, "docs/html/wikipedia-2/source.html");
    const [document] = (await readDocuments([path])).documents;
    assert.ok(document);
    assert.match(document.text, /New Zealand .*is a sovereign island country/);
    assert.doesNotMatch(document.text, /RLCONF|document\.documentElement/);
    const etymology = document.anchors.find(({ heading }) => heading?.startsWith("Etymology"));
    assert.ok(etymology?.line !== undefined && etymology.line > 1);
  });

  it("decodes the charset that a page declares", async function () {
    const path = testData(this, "docs/html/hukumusume/source.html");
    const [document] = (await readDocuments([path])).documents;
    assert.match(document?.text ?? "", /[\u3040-\u30ff]/);
  });

  it("reads a notebook's cells without their outputs, each line with its line in the file", async () => {
    const sample = String(SAMPLES.notebook);
    await withFiles({ "a.ipynb": sample }, async (folder) => {
      const [document] = (await readDocuments([folder])).documents;
      assert.ok(document);
      const fence = "```";
      const expected = `# One 😀\ntext\n\n${fence}python\n# not a heading\nx = 1\n${fence}\n\n## Two\n`;
      assert.equal(document.text, expected);
      const lines = sample.split("\n");
      for (const words of ["One", "text", "not a heading", "Two"]) {
        const line = sourceLineAt(document, document.text.indexOf(words));
        assert.ok(lines[line - 1]?.includes(words), words);
      }
    });
  });

  it("reads notebooks of every version, and names one that is broken", async function () {
    for (const name of ["test2", "test3", "test4", "test4.5"]) {
      const path = testData(this, `docs/ipynb/${name}.ipynb`);
      const [document] = (await readDocuments([path])).documents;
      assert.equal(document?.format, "notebook");
      assert.ok(
        document.anchors.some(({ heading }) => heading !== undefined),
        name,
      );
      assert.doesNotMatch(document.text, /"cell_type"/);
    }
    await withFiles({ "bad.ipynb": "{ no" }, (folder) =>
      assert.rejects(
        readDocuments([`${folder}/bad.ipynb`]),
        (error) => error instanceof UserError && /bad\.ipynb: .*notebook/.test(error.message),
      ),
    );
  });

  it("reads the chapters of real EPUB books in order", async function () {
    const path = testData(this, "docs/epub/childrens-literature.epub");
    const [document] = (await readDocuments([path])).documents;
    assert.equal(document?.format, "epub");
    assert.ok(document.text.length > 200_000);
    assert.ok(document.anchors.filter(({ heading }) => heading !== undefined).length > 40);
    const japanese = testData(this, "docs/epub/kusamakura-preview.epub");
    assert.match(
      (await readDocuments([japanese])).documents[0]?.text ?? "",
      /山路を登りながら、こう考えた/,
    );
  });

  it("names an EPUB that is broken", async () => {
    await withFiles(
      { "a.epub": "PK no zip", "b.epub": zipSync({ "x.txt": strToU8("x") }) },
      async (folder) => {
        for (const [name, what] of [
          ["a", /a\.epub: .*no valid EPUB/],
          ["b", /b\.epub: .*lacks its file/],
        ] as const) {
          await assert.rejects(
            readDocuments([`${folder}/${name}.epub`]),
            (error) => error instanceof UserError && what.test(error.message),
          );
        }
      },
    );
  });
});
