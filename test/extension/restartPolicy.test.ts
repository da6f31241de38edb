// The rule for starting a crashed engine again, on a clock of its own.

import assert from "node:assert/strict";
import { RestartPolicy } from "../../src/extension/restartPolicy.ts";

describe("restart policy", () => {
  it("restarts four crashes within three minutes, each after a longer pause, and not the fifth", () => {
    const policy = new RestartPolicy();
    const pauses = [0, 1000, 2000, 3000, 4000].map((now) => policy.crashed(now));
    assert.deepEqual(pauses.slice(0, 4), [100, 300, 900, 2700]);
    assert.equal(pauses[4], undefined);
    assert.equal(policy.mayStart(5000), false);
  });

  it("forgets crashes older than three minutes", () => {
    const policy = new RestartPolicy();
    for (const now of [0, 1000, 2000, 3000, 4000]) policy.crashed(now);
    assert.equal(policy.mayStart(181_000), true);
    assert.notEqual(policy.crashed(200_000), undefined);
  });

  it("starts afresh when the user restarts the engine", () => {
    const policy = new RestartPolicy();
    for (const now of [0, 1, 2, 3, 4]) policy.crashed(now);
    policy.reset();
    assert.equal(policy.mayStart(5), true);
    assert.equal(policy.crashed(6), 100);
  });
});
