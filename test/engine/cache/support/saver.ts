// A process that saves caches into a folder until it is killed, one after the other or for ever in the middle of one.
// Run: node --import=tsx saver.ts FOLDER LIMIT_BYTES many|one

import { SnapshotStore } from "../../../../src/engine/cache/snapshotStore.ts";
import { snapshotOf, TOKENS } from "./savedCaches.ts";

const [folder = "", limitBytes = "", mode = ""] = process.argv.slice(2);
const store = new SnapshotStore(folder, Number(limitBytes));

async function* endless(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(1_000_000, 1);
  process.stdout.write("in the middle\n");
  // Keeps the process alive.
  await new Promise((resolve) => setTimeout(resolve, 3_600_000));
}

if (mode === "one") {
  const sections = [{ name: "rows/0", pieces: endless() }];
  await store.save({ ...snapshotOf(TOKENS), sections });
}
for (let round = 0; ; round++) {
  const seed = round % 12;
  await store.save(snapshotOf([seed, 1, 2], { seed }));
  if (round === 2) process.stdout.write("saving\n");
}
