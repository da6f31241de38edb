import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readReadme, withCurrentTables } from "./support/readmeTables.ts";
import { repositoryRoot } from "./support/testData.ts";

describe("README", () => {
  it("has tables that equal the registries (else run npx tsx test/support/readmeTables.ts)", () => {
    const readme = readReadme();
    assert.match(readme, /<!-- table: commands -->/);
    assert.equal(readme, withCurrentTables(readme));
  });

  it("links only to files that exist", () => {
    const links = [...readReadme().matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(
      ([, path]) => path,
    );
    assert.ok(links.length > 0);
    const broken = links.filter((path) => !existsSync(join(repositoryRoot, path ?? "")));
    assert.deepEqual(broken, []);
  });

  it("lists only files that exist", () => {
    const tree = readReadme().match(/<!-- files -->\n```\n([\s\S]*?)```/)?.[1] ?? "";
    const files = tree.split("\n").flatMap((line) => line.match(/^\S+\/\S+\.\w+/)?.[0] ?? []);
    assert.ok(files.length > 50);
    const gone = files.filter((file) => !existsSync(join(repositoryRoot, file)));
    assert.deepEqual(gone, []);
  });
});
