// What every unusable model file has to end in.

import assert from "node:assert/strict";
import { UserError } from "../../src/engine/errors.ts";
import { openModel } from "../../src/engine/model/loadWeights.ts";

/** Opening the model fails with one line that names the file and matches `message`. */
export async function assertRefusedModel(path: string, message: RegExp): Promise<void> {
  await assert.rejects(openModel(path), (error) => {
    assert.ok(error instanceof UserError, String(error));
    assert.ok(error.message.includes(path), error.message);
    assert.ok(!error.message.includes("\n"), error.message);
    assert.match(error.message, message);
    return true;
  });
}
