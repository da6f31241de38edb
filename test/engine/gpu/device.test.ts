// Opening a device, reading back, losing it.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { UserError } from "../../../src/engine/errors.ts";
import { adapterName, findAdapter, listAdapters } from "../../../src/engine/gpu/adapter.ts";
import { openGpu } from "../../../src/engine/gpu/device.ts";
import { useGpu } from "../../support/gpu.ts";

describe("openGpu", () => {
  const gpu = useGpu();

  it("asks for every limit the adapter offers", () => {
    const { device, capabilities } = gpu();
    const name = "maxStorageBufferBindingSize";
    assert.equal(device.limits[name], capabilities.limits[name]);
    assert.equal(device.features.has("subgroups"), capabilities.hasSubgroups);
  });

  it("finds the adapter again by part of its name", async () => {
    const [adapter] = await listAdapters();
    assert.ok(adapter);
    const named = await openGpu({ name: adapter.name.slice(0, 4).toUpperCase() });
    named.dispose();
    await assert.rejects(openGpu({ name: "no such adapter" }), UserError);
  });

  it("leaves no threads behind when a device is closed", async function () {
    if (process.platform !== "linux") this.skip();
    const [{ name } = { name: "" }] = await listAdapters();
    const reopen = async (request: { name?: string }) => (await openGpu(request)).dispose();
    for (const request of [{}, { name }]) await reopen(request);
    const before = readdirSync("/proc/self/task").length;
    for (let i = 0; i < 3; i++) for (const request of [{}, { name }]) await reopen(request);
    // One device's own threads may still be ending.
    assert.ok(readdirSync("/proc/self/task").length <= before + 2);
  });

  it("names an adapter as Dawn lists it, not by its driver's version", async () => {
    const h200 = { device: "nvidia-h200", description: "NVIDIA: 580.159.04 580.159.4.0" };
    const adapters = [
      { backend: "vulkan", name: "llvmpipe (LLVM 15.0.6, 256 bits)" },
      { backend: "vulkan", name: "NVIDIA H200" },
    ];
    assert.equal(adapterName(h200, adapters), "NVIDIA H200");
    assert.equal(adapterName(h200, []), "nvidia-h200");
    assert.equal(adapterName({ device: "", description: "a driver" }, []), "a driver");
    // Of a real one, so that it fails once Dawn writes `device` in another way.
    const { adapter } = await findAdapter();
    const listed = await listAdapters();
    const name = adapterName(adapter.info, listed);
    assert.ok(
      listed.some((one) => one.name === name),
      `${name} is none of ${listed.map((one) => one.name).join(", ")}`,
    );
  });

  it("counts bytes by purpose and reads back what was written", async () => {
    const { buffers } = gpu();
    const before = buffers.bytes().cache ?? 0;
    const buffer = buffers.upload("cache", Uint16Array.of(1, 2, 3));
    assert.equal(buffers.bytes().cache, before + 16);
    assert.deepEqual([...new Uint16Array(await gpu().read(buffer))].slice(0, 4), [1, 2, 3, 0]);
    buffers.release(buffer);
    assert.equal(buffers.bytes().cache, before);
  });

  it("refuses a buffer larger than the adapter allows", () => {
    assert.throws(
      () => gpu().buffers.allocate({ purpose: "cache", bytes: 2 ** 50 }),
      /smaller model/,
    );
  });

  it("reports a command that WebGPU refused", async () => {
    const lost = await openGpu();
    const buffer = lost.buffers.allocate({ purpose: "cache", bytes: 16 });
    lost.device.queue.writeBuffer(buffer, 1 << 20, new Uint8Array(4));
    await assert.rejects(lost.finished(), /refused/);
    lost.dispose();
  });

  it("says how much memory it held when the GPU had no more", async () => {
    // The null backend lends 512 MB in all.
    const small = await openGpu({ backend: "null" });
    for (let i = 0; i < 6; i++) small.buffers.allocate({ purpose: "weights", bytes: 1e8 });
    await assert.rejects(small.finished(), (error: unknown) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /out of memory at 0\.6 GB: choose a smaller model/);
      return true;
    });
    assert.equal(small.isLost, true, "its buffers are not all there");
    small.dispose();
  });

  it("says that the device is gone instead of waiting for it", async () => {
    const lost = await openGpu();
    const buffer = lost.buffers.allocate({ purpose: "cache", bytes: 16 });
    lost.device.destroy();
    await assert.rejects(lost.read(buffer), UserError);
    assert.equal(lost.isLost, true);
    lost.dispose();
  });
});
