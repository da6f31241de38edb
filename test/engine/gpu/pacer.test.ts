// The pace of submits on a queue whose work takes as long as the test says.

import assert from "node:assert/strict";
import { CommandList } from "../../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../../src/engine/gpu/device.ts";
import { Pacer } from "../../../src/engine/gpu/pacer.ts";

const TILE = 16;

describe("the pacer", () => {
  let durationMs = 0;
  const queue = {
    submit: () => {},
    onSubmittedWorkDone: () => new Promise<void>((done) => setTimeout(done, durationMs)),
  };
  const device = { queue, createCommandEncoder: () => ({ finish: () => ({}) }) };
  // All that a pacer asks of a device.
  const gpu = { device, check: () => {} } as unknown as Gpu;

  async function run(pacer: Pacer, units: number, takesMs: number): Promise<void> {
    durationMs = takesMs;
    await pacer.run([new CommandList()], units);
    await pacer.drain();
  }

  it("is cautious until something was measured, and follows what was", async () => {
    const pacer = new Pacer(gpu, TILE);
    assert.equal(pacer.unitsPerList(32), 32);
    await run(pacer, 64, 40);
    const fast = pacer.unitsPerList(32);
    assert.ok(fast > 32 && fast <= 160, `${fast}`);
    await run(pacer, 64, 200);
    assert.ok(pacer.unitsPerList(32) <= 32, "slower at once");
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
});
