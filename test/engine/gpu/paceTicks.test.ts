// How often Dawn looks for finished work on a software adapter.

import assert from "node:assert/strict";
import { promisify } from "node:util";
import { beginWait, isDawns, pacedImmediate } from "../../../src/engine/gpu/paceTicks.ts";
import { useGpu } from "../../support/gpu.ts";
import { skip } from "../../support/skip.ts";

describe("looking for finished work", () => {
  it("waits for native callbacks without a name, and calls all others as before", async () => {
    const called: string[] = [];
    const immediate = Object.assign(
      (callback: () => void) => {
        called.push("at once");
        callback();
      },
      { [promisify.custom]: () => Promise.resolve("promised") },
    ) as unknown as typeof setImmediate;
    const paced = pacedImmediate(immediate, () => 0);
    // Like a function of an addon: of native code, and without a name.
    const native = new Proxy(() => called.push("native"), {});
    assert.ok(isDawns(native));
    paced(native);
    paced(() => called.push("own"));
    assert.deepEqual(called, ["at once", "own"]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(called, ["at once", "own", "native"]);
    assert.ok(!isDawns(called.push.bind(called)));
    assert.equal(await promisify(paced)(), "promised");
  });

  it("pauses only when it has looked for a while, and looks anew with each wait", () => {
    let atOnce = 0;
    const immediate = Object.assign((_: () => void) => void atOnce++, {});
    const paced = pacedImmediate(immediate as unknown as typeof setImmediate, () => 10);
    const native = new Proxy(() => {}, {});
    const { now } = performance;
    let nowMs = 100;
    performance.now = () => nowMs;
    const lookAt = (ms: number) => {
      nowMs = ms;
      paced(native);
    };
    try {
      beginWait();
      for (const ms of [100, 105, 109]) lookAt(ms);
      assert.equal(atOnce, 3);
      for (const ms of [110, 111, 140]) lookAt(ms);
      assert.equal(atOnce, 3);
      beginWait();
      lookAt(149);
      assert.equal(atOnce, 4);
    } finally {
      performance.now = now;
    }
  });

  describe("on a software adapter", () => {
    const gpu = useGpu();

    it("is done at most once a millisecond", async function () {
      if (!gpu().capabilities.isSoftware) return skip(this, "the adapter is a GPU");
      const whole = globalThis.setImmediate;
      let looks = 0;
      const counting = (callback: () => void, ...args: []) => {
        if (isDawns(callback)) looks++;
        return whole(callback, ...args);
      };
      globalThis.setImmediate = Object.assign(counting, whole) as typeof whole;
      const beganMs = performance.now();
      try {
        const bytes = 2 ** 22;
        const buffer = gpu().buffers.allocate({ purpose: "activations", bytes });
        for (let i = 0; i < 20; i++) await gpu().read(buffer);
        gpu().buffers.release(buffer);
      } finally {
        globalThis.setImmediate = whole;
      }
      assert.ok(looks > 0, "Dawn looks by setImmediate");
      assert.ok(looks <= performance.now() - beganMs + 20, `${looks} times`);
    });
  });
});
