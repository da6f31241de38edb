// The README's tables, generated from the registries, between `<!-- table: name -->` and `<!-- /table -->`.
// Rewrite them with `npx tsx test/support/readmeTables.ts`; test/readme.test.ts fails when they are stale.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commands } from "../../src/cli/commands.ts";
import { suites } from "../../src/cli/eval/suites/index.ts";
import { modelOptions, samplingOptions } from "../../src/cli/options.ts";
import { PROMPT_FORMATS } from "../../src/engine/answer/promptFormats/index.ts";
import { cacheAllocations } from "../../src/engine/cache/allocations/index.ts";
import { positionSchemes } from "../../src/engine/cache/positionSchemes.ts";
import { cacheTypes } from "../../src/engine/cache/types.ts";
import { documentFormats } from "../../src/engine/documents/index.ts";
import { architectures } from "../../src/engine/model/architectures/index.ts";
import { ropeScalings } from "../../src/engine/model/rope/index.ts";
import { DENSE, prefillSelectors } from "../../src/engine/model/sparsity/index.ts";
import { weightFormats } from "../../src/engine/model/weightFormats/index.ts";
import { PRE_TOKENIZERS } from "../../src/engine/tokenizer/preTokenizers.ts";
import { speedTable } from "../bench/speedTable.ts";
import { policyTable } from "../eval/policyTable.ts";
import { qualityTable } from "../eval/qualityTable.ts";
import { markdownRows } from "./markdownRows.ts";
import { repositoryRoot } from "./testData.ts";

const readmePath = join(repositoryRoot, "README.md");

const tables: Readonly<Record<string, () => string>> = {
  commands: () =>
    markdownRows(
      ["command", "what it does"],
      Object.entries(commands).map(([name, { positionals, summary }]) => [
        code(`${name} ${positionals.usage}`.trim()),
        summary,
      ]),
    ),
  models: () =>
    markdownRows(
      ["architecture", "models"],
      Object.values(architectures).map(({ id, covers }) => [code(id), covers]),
    ),
  formats: () =>
    markdownRows(
      ["what", "which"],
      [
        ["weights", names(Object.values(weightFormats).map(({ name }) => name))],
        ["keys and values in the cache", names(Object.keys(cacheTypes))],
        ["tokenizers", `SentencePiece; byte-level BPE: ${names(Object.keys(PRE_TOKENIZERS))}`],
        ["prompts", names(PROMPT_FORMATS.map(({ id }) => id))],
      ],
    ),
  documents: () =>
    markdownRows(
      ["documents", "file endings"],
      Object.values(documentFormats).map(({ name, extensions }) => [
        name,
        names(extensions.filter((ending) => ending !== "")),
      ]),
    ),
  sparsities: () =>
    markdownRows(
      ["`--prefill-sparsity`", "attends to", "threshold by default"],
      [
        [code(DENSE), "all blocks", "none"],
        ...Object.entries(prefillSelectors).map(([id, { description, of, threshold }]) => [
          code(id),
          description,
          `${threshold} of the ${of === "mass" ? "attention foretold" : "blocks in sight"}`,
        ]),
      ],
    ),
  positions: () =>
    markdownRows(
      ["`--position-scheme`", "a token's position is"],
      Object.entries(positionSchemes).map(([id, { description }]) => [code(id), description]),
    ),
  scalings: () =>
    markdownRows(
      ["`--rope-scaling`", "what it does"],
      Object.entries(ropeScalings).map(([id, { description }]) => [code(id), description]),
    ),
  allocations: () =>
    markdownRows(
      ["`--cache-allocation`", "how it shares out the budget"],
      Object.entries(cacheAllocations).map(([id, { description }]) => [code(id), description]),
    ),
  settings: () =>
    markdownRows(
      ["option", "meaning"],
      Object.entries({ ...modelOptions, ...samplingOptions }).map(([name, option]) => [
        code(`--${name}`),
        option.description,
      ]),
    ),
  suites: () =>
    markdownRows(
      ["suite", "what it measures", "data"],
      Object.entries(suites).map(([id, { summary, data }]) => [code(id), summary, names(data)]),
    ),
  policies: policyTable,
  quality: qualityTable,
  speed: speedTable,
};

/** The README with its tables as the registries are now. Throws Error when it names an unknown table. */
export function withCurrentTables(readme: string): string {
  return readme.replace(
    /(<!-- table: (\w+) -->\n)[\s\S]*?(<!-- \/table -->)/g,
    (_, open: string, name: string, close: string) => {
      const render = tables[name];
      if (!render) throw new Error(`README.md asks for the table "${name}", which does not exist.`);
      return `${open}${render()}\n${close}`;
    },
  );
}

/** The README with its file tree as git has it: each file with the first sentence of its header comment. */
function withCurrentFiles(readme: string): string {
  const listed = execFileSync(
    "git",
    ["ls-files", "src", "kernels", "scripts", "test/bench", "test/eval"],
    {
      cwd: repositoryRoot,
      encoding: "utf8",
    },
  );
  const files = listed.split("\n").filter((file) => /\.(ts|mjs|wgsl)$/.test(file));
  const lines = files.map((file) => `${file}  ${headerOf(file)}`);
  return readme.replace(
    /(<!-- files -->\n```\n)[\s\S]*?(```)/,
    (_, open: string, close: string) => `${open}${lines.join("\n")}\n${close}`,
  );
}

function headerOf(file: string): string {
  const text = readFileSync(join(repositoryRoot, file), "utf8");
  const comment = text.match(/^(?:#!.*\n)?((?:\/\/.*\n)+)/)?.[1] ?? "";
  const prose = comment.replace(/^\/\/ ?/gm, "").replaceAll("\n", " ");
  return prose.match(/^[\s\S]*?[.:](?=\s|$)/)?.[0].replace(/:$/, ".") ?? prose.trim();
}

/** README.md as it is. */
export function readReadme(): string {
  return readFileSync(readmePath, "utf8");
}

function names(ids: readonly string[]): string {
  return ids.map(code).join(", ");
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Write README.md with its tables and its file tree as they are now. */
export function writeReadmeTables(): void {
  writeFileSync(readmePath, withCurrentFiles(withCurrentTables(readReadme())));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeReadmeTables();
