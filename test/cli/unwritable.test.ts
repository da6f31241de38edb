// What cannot be read or written is named as the user wrote it, in one line that says why.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pilotPath } from "../support/pilot.ts";
import { buildCli, type CliOptions, lectern } from "../support/runCli.ts";
import { skip } from "../support/skip.ts";
import { withSmallDisk } from "../support/smallDisk.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";
import { repositoryRoot, testData } from "../support/testData.ts";

const CHECKPOINT = "weights/stories260K/stories260K.bin";
/** Root may read and write everything: it runs the command as nobody. */
const user = process.getuid?.() === 0 ? { uid: 65534 } : {};

describe("lectern, kept from reading or writing", () => {
  const folder = useTemporaryFolder();
  before(() => {
    buildCli();
    chmodSync(folder(), 0o755);
    writeFileSync(join(folder(), "text.txt"), "The password of the harbour is heron.\n");
  });

  async function assertFails(
    args: readonly string[],
    message: RegExp,
    options: CliOptions = {},
  ): Promise<void> {
    const { status, stdout, stderr } = await lectern(args, options);
    assert.equal(status, 1, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, message);
    assert.match(stderr, /^lectern: [^\n]+\n$/, "one line");
  }

  for (const [name, args] of [
    ["text", ["read", "test/fixtures/README.md"]],
    ["JSON", ["tokenize", "test/fixtures/README.md", "--json"]],
  ] as const) {
    it(`says that standard output has no space left for ${name}`, function () {
      if (!existsSync("/dev/full")) skip(this, "there is no /dev/full");
      const cli = join(repositoryRoot, "dist/cli.mjs");
      const command = `"${process.execPath}" "${cli}" ${args.join(" ")} >/dev/full`;
      const { status, stderr } = spawnSync("bash", ["-c", command], {
        cwd: repositoryRoot,
        encoding: "utf8",
      });
      assert.equal(status, 1);
      assert.equal(stderr, "lectern: standard output cannot be written: no space left.\n");
    });
  }

  it("says that the disk is full for a converted model, and leaves no part of it", async function () {
    const source = testData(this, CHECKPOINT);
    await withSmallDisk(this, { parent: folder(), kilobytes: 64 }, async (disk) => {
      const output = join(disk, "s.gguf");
      const args = ["convert", source, "-o", output];
      await assertFails(args, /s\.gguf cannot be written \(ENOSPC\): free some space or choose/);
      assert.deepEqual(readdirSync(disk), []);
    });
  });

  it("names the folder that was given for a converted model", async function () {
    const source = testData(this, CHECKPOINT);
    const output = join(folder(), "models");
    mkdirSync(output);
    await assertFails(
      ["convert", source, "-o", output],
      /: \S+\/models is a folder: give the name/,
    );
  });

  describe("by permissions", () => {
    let locked = "";
    before(function () {
      if (process.platform === "win32") skip(this, "permissions are others on Windows");
      locked = join(folder(), "locked");
      mkdirSync(locked);
      copyFileSync(pilotPath, join(locked, "model.gguf"));
      chmodSync(locked, 0);
    });
    after(() => chmodSync(locked, 0o700));

    it("says so of a folder of saved caches", () =>
      assertFails(["stats", "--cache-dir", locked], /locked may not be read .*permissions/, user));

    it("says so of a model", () =>
      assertFails(
        ["tokenize", "-", "--model", join(locked, "model.gguf")],
        /model\.gguf may not be read .*permissions/,
        user,
      ));

    it("says so of a folder for caches before it reads the text", () =>
      assertFails(
        ["ingest", join(folder(), "missing.txt"), "--cache-dir", join(locked, "caches")],
        /locked\/caches may not be written .*permissions/,
        user,
      ));
  });
});
