// `npm test`: sets up what is missing, checks format, lint and types, runs every test, and closes with
// `N passed, N failed, N skipped`. `--unit` leaves out what needs a GPU or VS Code. Other arguments go to mocha.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  buildPrograms,
  installAdapter,
  installChromium,
  installCompilers,
  installPackages,
  requireNode,
  root,
  runNode,
  runNpm,
  say,
} from "./setup.mjs";

const isUnit = process.argv.includes("--unit");
const mochaArguments = process.argv.slice(2).filter((argument) => argument !== "--unit");

requireNode();
installPackages({ dev: true });
await buildPrograms();
if (!isUnit) {
  installAdapter();
  installChromium();
  installCompilers();
  const { vscodeServer } = await import("./vscodeServer.mjs");
  vscodeServer();
}

const total = { passed: 0, failed: 0, skipped: 0 };
say("checking format, lint and types");
if (runNpm(["run", "--silent", "check"]) !== 0) total.failed++;

const vscodeTests = "test/vscode/**/*.test.ts";
runMocha(
  "tests",
  ["test/**/*.test.ts", "--ignore", vscodeTests],
  isUnit ? { LECTERN_TEST_GPU: "0" } : {},
);
if (!isUnit) runMocha("tests in VS Code", [vscodeTests]);

console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** Run mocha in a process of its own and add up its counts; a crash counts as a failure. */
function runMocha(name, patterns, env = {}) {
  say(`running the ${name}`);
  const folder = mkdtempSync(join(tmpdir(), "lectern-test-"));
  const counts = join(folder, "counts.json");
  try {
    const status = runNode(
      [
        join(root, "node_modules/mocha/bin/mocha.js"),
        // Dawn's threads may outlive the last test.
        "--exit",
        ...["--reporter", join(root, "test/support/countingReporter.mjs")],
        ...mochaArguments,
        ...patterns,
      ],
      { ...process.env, ...env, LECTERN_TEST_COUNTS: counts },
    );
    const { passes, failures, pending } = readCounts(counts);
    total.passed += passes;
    total.skipped += pending;
    total.failed += status !== 0 && failures === 0 ? 1 : failures;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    // Mocha ended before its report: a native crash.
    return { passes: 0, failures: 0, pending: 0 };
  }
}
