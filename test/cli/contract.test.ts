// The contract scripts rely on: exit statuses, one JSON object under --json, one line for what went wrong.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commands } from "../../src/cli/commands.ts";
import { pilotPath } from "../support/pilot.ts";
import { buildCli, lectern } from "../support/runCli.ts";
import { skip } from "../support/skip.ts";

/** Nothing for Dawn to find, neither a driver nor a browser that carries one. */
const noAdapter = {
  VK_DRIVER_FILES: "/nonexistent.json",
  VK_ICD_FILENAMES: "/nonexistent.json",
  LECTERN_BUNDLED_DRIVER: "0",
};

describe("lectern", () => {
  let folder = "";
  const file = (name: string, content: string | Uint8Array) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  before(() => {
    buildCli();
    folder = mkdtempSync(join(tmpdir(), "lectern-cli-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Status 1, nothing on standard output, one line on standard error. */
  async function assertFails(args: readonly string[], message: RegExp, env = {}): Promise<void> {
    const { status, stdout, stderr } = await lectern(args, { env });
    assert.equal(status, 1, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, message);
    assert.match(stderr, /^lectern: [^\n]+\n$/, "one line");
  }

  describe("usage", () => {
    it("prints its help and each command's, status 0", async () => {
      const general = await lectern(["--help"]);
      assert.equal(general.status, 0);
      for (const name of Object.keys(commands))
        assert.match(general.stdout, new RegExp(`  ${name} ?`));
      const { status, stdout } = await lectern(["generate", "--help"]);
      assert.equal(status, 0);
      assert.match(stdout, /--prompt-file FILE/);
    });

    it("prints its version", async () => {
      assert.match((await lectern(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
    });

    for (const [name, args, message] of [
      ["no command", [], /a command is missing/],
      ["an unknown command", ["aks"], /unknown command "aks" \(did you mean ask\?\)/],
      ["an unknown option", ["ask", ".", "-q", "x", "--modle", "y"], /did you mean --model\?/],
      ["a missing path", ["read"], /PATH… is missing/],
      ["a missing question", ["ask", "."], /-q "QUESTION" is missing/],
      ["two prompts", ["generate", "--prompt", "a", "--prompt-file", "b"], /exclude each other/],
      ["a bad number", ["generate", "--prompt", "a", "--max-tokens", "-3"], /whole number/],
      ["an unknown action", ["models", "frob"], /models cannot "frob": it can pull and remove/],
      ["a missing target", ["models", "pull"], /models pull needs a URL/],
      ["a bad list", ["bench", "--prefill", "512,x"], /--prefill needs whole numbers/],
    ] as const) {
      it(`ends with status 2 and one line for ${name}`, async () => {
        const { status, stdout, stderr } = await lectern(args);
        assert.equal(status, 2);
        assert.equal(stdout, "");
        assert.match(stderr, message);
        assert.match(stderr, /^lectern: [^\n]+\n$/);
      });
    }
  });

  describe("input that cannot be read", () => {
    it("names a file that does not exist", () =>
      assertFails(["read", join(folder, "missing.txt")], /missing\.txt/));

    it("names an empty folder", () => {
      mkdirSync(join(folder, "empty"), { recursive: true });
      return assertFails(["ask", join(folder, "empty"), "-q", "what?"], /empty/);
    });

    it("names a folder that may not be read", async function () {
      if (process.getuid?.() === 0) skip(this, "root may read everything");
      const locked = join(folder, "locked");
      mkdirSync(locked);
      chmodSync(locked, 0);
      await assertFails(["read", locked], /locked/);
    });

    it("names a binary file", () =>
      assertFails(
        [
          "read",
          file(
            "noise.bin",
            Uint8Array.from({ length: 999 }, (_, i) => (i * 7) % 251),
          ),
        ],
        /binary/,
      ));

    it("names a folder given as a prompt file", () =>
      assertFails(["generate", "--prompt-file", folder], /is a folder/));
  });

  describe("models that cannot be run", () => {
    it("names one that does not exist", () =>
      assertFails(["tokenize", "-", "--model", join(folder, "none.gguf")], /none\.gguf/));

    it("says that a file is no GGUF", () =>
      assertFails(
        ["generate", "--prompt", "a", "--model", file("text.gguf", "hello")],
        /text\.gguf/,
      ));

    it("says that a file is cut off", async () => {
      const path = join(folder, "whole.gguf");
      copyFileSync(pilotPath, path);
      const { readFileSync } = await import("node:fs");
      const cut = file("cut.gguf", readFileSync(path).subarray(0, 3_000_000));
      await assertFails(["generate", "--prompt", "a", "--model", cut], /cut\.gguf/);
    });
  });

  describe("without an adapter", () => {
    it("says how to get one when a model must run", () =>
      assertFails(["generate", "--prompt", "a"], /No GPU adapter was found/, noAdapter));

    it("reads, searches and tokenizes all the same", async () => {
      const text = file("facts.txt", "The password of the harbour is heron.\n");
      const read = await lectern(["read", text], { env: noAdapter });
      assert.equal(read.status, 0, read.stderr);
      assert.equal(read.stdout, "The password of the harbour is heron.\n");
      const search = await lectern(["search", text, "-q", "password", "--json"], {
        env: noAdapter,
      });
      assert.equal(JSON.parse(search.stdout).passages.length, 1);
    });

    it("answers with quotes and says that no model ran", async () => {
      const text = file("facts.txt", "The password of the harbour is heron.\n");
      const args = ["ask", text, "-q", "What is the password of the harbour?", "--json"];
      const { status, stdout, stderr } = await lectern(args, { env: noAdapter });
      assert.equal(status, 0, stderr);
      const answer = JSON.parse(stdout);
      assert.equal(answer.stats, undefined);
      assert.equal(answer.citations[0].quote.includes("heron"), true);
      assert.ok(answer.notes.length > 0);
    });

    it("still lets doctor report", async () => {
      const { status, stdout } = await lectern(["doctor", "--json"], { env: noAdapter });
      assert.equal(status, 0);
      const diagnosis = JSON.parse(stdout);
      assert.equal(diagnosis.adapter, null);
      assert.match(diagnosis.missing[0], /No GPU adapter/);
    });
  });

  describe("output", () => {
    it("prints one JSON object and nothing else under --json", async () => {
      const text = file("facts.txt", "The password of the harbour is heron.\n");
      const { stdout } = await lectern(["read", text, "--json"]);
      assert.match(stdout, /^\{[^\n]*\}\n$/);
      const [document] = JSON.parse(stdout).documents;
      assert.equal(document.text, "The password of the harbour is heron.\n");
      assert.equal(document.anchors[0].line, 1);
      assert.ok(document.tokens > 5);
    });

    it("gives tokens back as the same text", async () => {
      const text = "Été 2026:\n\t42 herons — 鹭.\n";
      const tokens = await lectern(["tokenize", "-", "--json"], { input: text });
      assert.equal(tokens.status, 0, tokens.stderr);
      const back = await lectern(["detokenize", "-"], { input: tokens.stdout });
      assert.equal(back.stdout, text);
    });

    it("reads a text of another encoding, and refuses what is none", async () => {
      const text = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.";
      for (const bytes of [Buffer.from(text, "latin1"), Buffer.from(`\ufeff${text}`, "utf16le")]) {
        const tokens = await lectern(["tokenize", file("old.txt", bytes), "--json"]);
        const back = await lectern(["detokenize", "-"], { input: tokens.stdout });
        assert.equal(back.stdout.trim(), text);
      }
      const binary = file("data.bin", Buffer.from([0, 1, 2, 3, 0, 255, 7, 0]));
      await assertFails(["tokenize", binary], /data\.bin is binary, .*give text/);
    });

    it("refuses a pipe that nobody may write to", async function () {
      if (process.platform === "win32") skip(this, "no pipes in folders on Windows");
      const pipe = join(folder, "pipe.txt");
      execFileSync("mkfifo", [pipe]);
      await assertFails(["tokenize", pipe], /pipe\.txt is a pipe: .*standard input/);
    });

    it("refuses token ids outside the vocabulary", async () => {
      const { status, stderr } = await lectern(["detokenize", "-"], { input: "[1, 99999999]" });
      assert.equal(status, 1);
      assert.match(stderr, /has 99999999 at place 2/);
    });
  });
});
