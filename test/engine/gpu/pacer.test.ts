// The pace of submits on a queue whose work takes as long as the test says, by a clock of its own.

import assert from "node:assert/strict";
import { CommandList } from "../../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../../src/engine/gpu/device.ts";
import { Pacer } from "../../../src/engine/gpu/pacer.ts";

const TILE = 16;

describe("the pacer", () => {
  let nowMs = 0;
  /** Of each submit to come. */
  let durationsMs: number[] = [];
  const queue = {
    submit: () => {},
    onSubmittedWorkDone: async () => {
      const takesMs = durationsMs.shift() ?? Number.NaN;
      await Promise.resolve();
      nowMs += takesMs;
    },
  };
  // All that a pacer asks of a device.
  const gpu = { device: { queue }, submit: () => {}, check: () => {} } as unknown as Gpu;
  const { now } = performance;
  before(() => {
    performance.now = () => nowMs;
  });
  after(() => {
    performance.now = now;
  });

  async function run(
    pacer: Pacer,
    units: number,
    takesMs: number | readonly number[],
    lists: readonly CommandList[] = [new CommandList()],
  ): Promise<void> {
    durationsMs = [takesMs].flat();
    await pacer.run(lists, units);
    await pacer.drain();
    assert.deepEqual(durationsMs, []);
  }

  it("is cautious until something was measured, and follows what was", async () => {
    const pacer = new Pacer(gpu, TILE);
    assert.equal(pacer.unitsPerList(32), 32);
    await run(pacer, 64, 40);
    assert.equal(pacer.unitsPerList(32), 160);
    await run(pacer, 64, 200);
    assert.equal(pacer.unitsPerList(32), 32, "slower at once");
    await run(pacer, 64, 40);
    const faster = pacer.unitsPerList(32);
    assert.ok(faster > 32 && faster < 160, "faster step by step");
  });

  it("learns nothing from a list shorter than a tile, which takes as long as a whole one", async () => {
    const pacer = new Pacer(gpu, TILE);
    await run(pacer, 1, 40);
    assert.equal(pacer.unitsPerList(32), 32);
    await run(pacer, 64, 20);
    const before = pacer.unitsPerList(32);
    await run(pacer, 1, 40);
    assert.equal(pacer.unitsPerList(32), before);
  });

  it("learns nothing from a list that does less than those in front of it", async () => {
    const pacer = new Pacer(gpu, TILE);
    const short = new CommandList({ isShort: true });
    await run(pacer, 64, 200);
    await run(pacer, 64, [200, 20], [new CommandList(), short]);
    assert.equal(pacer.unitsPerList(32), 32);
    await run(pacer, 64, 20, [short]);
    assert.ok(pacer.unitsPerList(32) > 32, "there is no other");
  });
});
