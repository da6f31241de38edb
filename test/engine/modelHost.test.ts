import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { OutOfMemoryError } from "../../src/engine/errors.ts";
import { ModelHost, type ModelOpener, type OpenModel } from "../../src/engine/modelHost.ts";

/** Only what the host looks at; the rest of the model is never touched. */
class FakeModel {
  isLost = false;
  isDisposed = false;
  dispose(): void {
    this.isDisposed = true;
  }
}

function fakeOpener(): { open: ModelOpener; opened: FakeModel[] } {
  const opened: FakeModel[] = [];
  const open = async () => {
    const model = new FakeModel();
    opened.push(model);
    return model as unknown as OpenModel;
  };
  return { open, opened };
}

const work = () => ({ observer: {}, signal: new AbortController().signal });

describe("model host", () => {
  it("loads a model once for the same settings and anew for others", async () => {
    const { open, opened } = fakeOpener();
    const host = new ModelHost(open, 60_000);
    await host.use({ model: "a" }, work(), async () => {});
    await host.use({ model: "a" }, work(), async () => {});
    assert.equal(opened.length, 1);
    await host.use({ model: "b" }, work(), async () => {});
    assert.equal(opened.length, 2);
    assert.equal(opened[0]?.isDisposed, true);
    host.dispose();
    assert.equal(opened[1]?.isDisposed, true);
  });

  it("repeats the work once on a new device when the first was lost", async () => {
    const { open, opened } = fakeOpener();
    const host = new ModelHost(open, 60_000);
    let runs = 0;
    const result = await host.use({}, work(), async () => {
      runs++;
      const device = opened.at(-1);
      if (runs === 1 && device) {
        device.isLost = true;
        throw new Error("lost");
      }
      return "answer";
    });
    assert.equal(result, "answer");
    assert.equal(opened.length, 2);
    host.dispose();
  });

  it("does not repeat what ran out of memory, but loads anew for the next", async () => {
    const { open, opened } = fakeOpener();
    const host = new ModelHost(open, 60_000);
    const failed = host.use({}, work(), async () => {
      const device = opened.at(-1);
      if (device) device.isLost = true;
      throw new OutOfMemoryError("no more");
    });
    await assert.rejects(failed, OutOfMemoryError);
    assert.equal(opened.length, 1);
    assert.equal(await host.use({}, work(), async () => "next"), "next");
    host.dispose();
  });

  it("does not repeat work whose text was already streamed, but loads anew for the next", async () => {
    const { open, opened } = fakeOpener();
    const host = new ModelHost(open, 60_000);
    const lost = host.use({}, work(), async (_, observer) => {
      observer.token?.("half an ans");
      const device = opened.at(-1);
      if (device) device.isLost = true;
      throw new Error("lost");
    });
    await assert.rejects(lost, /lost/);
    assert.equal(opened.length, 1);
    assert.equal(await host.use({}, work(), async () => "next"), "next");
    assert.equal(opened.length, 2);
    host.dispose();
  });

  it("lets two pieces of work take turns", async () => {
    const { open } = fakeOpener();
    const host = new ModelHost(open, 60_000);
    const order: string[] = [];
    const first = host.use({}, work(), async () => {
      await delay(10);
      order.push("first");
    });
    const second = host.use({}, work(), async () => void order.push("second"));
    await Promise.all([first, second]);
    assert.deepEqual(order, ["first", "second"]);
    host.dispose();
  });

  it("closes the device when nobody used it for a while", async () => {
    const { open, opened } = fakeOpener();
    const host = new ModelHost(open, 5);
    await host.use({}, work(), async () => {});
    while (!opened[0]?.isDisposed) await delay(5);
    assert.equal(host.current, undefined);
  });

  it("goes on after work that failed", async () => {
    const { open } = fakeOpener();
    const host = new ModelHost(open, 60_000);
    await assert.rejects(
      host.use({}, work(), async () => {
        throw new Error("no");
      }),
    );
    assert.equal(await host.use({}, work(), async () => 1), 1);
    host.dispose();
  });
});
