// Mocha's spec reporter that also leaves its counts in the file LECTERN_TEST_COUNTS, for scripts/test.mjs to add up.

import { writeFileSync } from "node:fs";
import Mocha from "mocha";

// biome-ignore lint/style/noDefaultExport: mocha takes a reporter's default export
export default class CountingReporter extends Mocha.reporters.Spec {
  epilogue() {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    const file = process.env.LECTERN_TEST_COUNTS;
    if (file) writeFileSync(file, JSON.stringify({ passes, failures, pending }));
  }
}
