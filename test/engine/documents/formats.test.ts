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
import { EXTRACTED_ENDINGS } from "../../../src/protocol/extractedFormats.ts";
import { pdfOf } from "../../support/pdf.ts";
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
  pdf: pdfOf({
    pages: [
      ["One 😀", "", "The first page ends with half a sen-"],
      ["tence.", "", "Two", "", "And the second one."],
    ],
    outline: [
      ["One 😀", 1],
      ["Two", 2],
    ],
  }),
  docx: zipSync({
    "[Content_Types].xml": strToU8(
      '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    ),
    "_rels/.rels": strToU8(
      '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>',
    ),
    "word/document.xml": strToU8(
      `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>${wordParagraph("One 😀", "Heading1")}${wordParagraph("first")}${wordParagraph("Two", "Heading2")}${wordParagraph("second")}</w:body></w:document>`,
    ),
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

function wordParagraph(text: string, style = "Normal"): string {
  return `<w:p><w:pPr><w:pStyle w:val="${style}"/></w:pPr><w:r><w:t>${text}</w:t></w:r></w:p>`;
}

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

  it("are shown as they are read where they are no text themselves", () => {
    const binary = formatIds().filter((id) => "readBytes" in documentFormats[id]);
    assert.deepEqual(
      binary.flatMap((id) => documentFormats[id].extensions),
      EXTRACTED_ENDINGS,
    );
  });

  it("reads a PDF's pages as one text, words joined over its lines' ends", async () => {
    const file = SAMPLES.pdf ?? assert.fail();
    await withFiles({ "a.pdf": file }, async (folder) => {
      const [document] = (await readDocuments([folder])).documents;
      assert.equal(
        document?.text,
        "One 😀\n\nThe first page ends with half a sentence.\n\nTwo\n\nAnd the second one.\n",
      );
      const pages = document.anchors.map(({ line, page, heading }) => [line, page, heading]);
      assert.deepEqual(pages, [
        [1, 1, "One 😀"],
        [5, 2, "Two"],
      ]);
    });
  });

  it("leaves out running heads and page numbers of a PDF", async () => {
    const bodies = ["alpha", "beta", "gamma", "delta"];
    const pages = bodies.map((body, i) => [
      "A History of Everything",
      "",
      `Of ${body} we know little.`,
      `It was ${body} long ago.`,
      "",
      `${i + 1}`,
    ]);
    await withFiles({ "a.pdf": pdfOf({ pages }) }, async (folder) => {
      const [document] = (await readDocuments([folder])).documents;
      const expected = bodies.map(
        (body) => `Of ${body} we know little.\nIt was ${body} long ago.\n`,
      );
      assert.equal(document?.text, expected.join("\n"));
      assert.deepEqual(
        document.anchors.map(({ page }) => page),
        [1, 2, 3, 4],
      );
    });
  });

  it("reads real PDFs: two columns, ligatures, other scripts, an empty password", async function () {
    const texts = new Map<string, string>();
    const names = ["tracemonkey", "copy_paste_ligatures", "two_paragraphs", "ArabicCIDTrueType"];
    for (const name of names.map((name) => `pdfjs-${name}`)) {
      const path = testData(this, `docs/pdf/${name}.pdf`);
      texts.set(name, (await readDocuments([path])).documents[0]?.text ?? "");
    }
    const paper = texts.get("pdfjs-tracemonkey") ?? "";
    assert.match(paper, /^Trace-based Just-in-Time Type Specialization for Dynamic\nLanguages\n/);
    // Over a column's end, and over a page's.
    assert.match(paper, /provides cheap inter-procedural type specialization/);
    assert.match(paper, /generated machine code\. Our system uses a mixed/);
    assert.equal(
      texts.get("pdfjs-two_paragraphs"),
      "The first paragraph.\n\nThe second paragraph.\n",
    );
    assert.match(texts.get("pdfjs-copy_paste_ligatures") ?? "", /^abcdeffffiflffi/);
    assert.match(
      texts.get("pdfjs-ArabicCIDTrueType") ?? "",
      /^\u0627\u0644\u0639\u0631\u0628\u064a\u0629 /,
    );
    const many = testData(this, "docs/pdf/pypdf-multilang.pdf");
    assert.match(
      (await readDocuments([many])).documents[0]?.text ?? "",
      /Привет, мир[\s\S]*你好世界/,
    );
    const open = testData(this, "docs/pdf/pypdf-enc-r3-empty-password.pdf");
    assert.match((await readDocuments([open])).documents[0]?.text ?? "", /pdf encryption test/);
  });

  it("says which pages of a PDF it could not read", async function () {
    const path = testData(this, "docs/pdf/pdfjs-Pages-tree-refs.pdf");
    const { documents, skipped } = await readDocuments([path]);
    assert.equal(documents[0]?.text, "Testcase: ’Pages loop’\n");
    assert.deepEqual(skipped, [
      { path, reason: "unreadable page 2 (Pages tree contains circular reference.)" },
    ]);
  });

  it("names a PDF that is locked, broken, or pictures alone", async function () {
    for (const [name, what] of [
      ["pdfjs-pr6531_1", /locked with a password: save a copy without one/],
      ["pypdf-enc-r6-user-password", /locked with a password/],
      ["pdfjs-bug1020226", /no valid PDF \(Invalid PDF structure\)/],
    ] as const)
      await rejects(testData(this, `docs/pdf/${name}.pdf`), what);
    await withFiles({ "a.pdf": pdfOf({ pages: [[]] }) }, (folder) =>
      rejects(`${folder}/a.pdf`, /a\.pdf: This PDF holds pictures .* \(OCR\)/),
    );
  });

  it("reads lists, tables and notes of a DOCX, and no file outside of it", async function () {
    const read = async (name: string): Promise<string | undefined> => {
      const path = testData(this, `docs/docx/${name}.docx`);
      return (await readDocuments([path])).documents[0]?.text;
    };
    assert.equal(await read("single-paragraph"), "Walking on imported air\n");
    assert.equal(await read("strict-format"), "Test\n");
    assert.equal(await read("simple-list"), "- Apple\n- Banana\n");
    assert.match((await read("tables")) ?? "", /Above\s+Top left\s+Top right\s+Bottom left/);
    assert.match(
      (await read("footnotes")) ?? "",
      /^Ouch\[1\]\.\[2\]\s+A tachyon walks into a bar\.\s+Fin\.\s+$/,
    );
    assert.equal(await read("empty"), "");
    assert.equal(await read("external-picture"), "");
    await withFiles({ "a.docx": "no zip" }, (folder) =>
      rejects(`${folder}/a.docx`, /a\.docx: .*no valid DOCX/),
    );
  });
});

async function rejects(path: string, what: RegExp): Promise<void> {
  await assert.rejects(
    readDocuments([path]),
    (error) => error instanceof UserError && what.test(error.message),
  );
}
