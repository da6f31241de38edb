// Ends the running engine for all windows, as the user asked: by its own shutdown, and by a signal when it hangs.

import type { EngineRecord } from "../protocol.ts";
import { EngineClient, type EngineListener, UnresponsiveError } from "./engineClient.ts";
import { type EnginePlace, readRecord } from "./engineRecord.ts";
import { commandLine, isAlive } from "./runningProcess.ts";

/** For connecting, for the answer to `shutdown` and for ending, each: what language clients give their servers. */
const END_MS = 2000;
const POLL_MS = 25;

/** Resolves when no engine runs at `place`; throws when the one that does cannot be ended from here. */
export async function endEngine(place: EnginePlace): Promise<void> {
  const record = readRecord(place);
  if (!record) return;
  const isThere = await shutDown(record, place.client);
  if (isThere === "ends" && (await hasEnded(record.pid))) return;
  if (!(await isEngine(record.pid, place, isThere !== "gone"))) {
    if (isThere !== "silent") return;
    throw new Error(
      `The engine does not answer, and process ${record.pid}, which it named as its own, is another: end it by hand.`,
    );
  }
  process.kill(record.pid, "SIGKILL");
  if (await hasEnded(record.pid)) return;
  throw new Error(
    `The engine, process ${record.pid}, was killed and has not ended: its GPU's driver may hang.`,
  );
}

/** Ask the engine to end; "silent" when something listens there that does not do so. */
async function shutDown(record: EngineRecord, name: string): Promise<"ends" | "silent" | "gone"> {
  try {
    const { client } = await EngineClient.connect(record, name, deaf, END_MS);
    try {
      await client.request("shutdown", {}, { limitMs: END_MS });
    } finally {
      client.dispose();
    }
    return "ends";
  } catch (error) {
    return error instanceof UnresponsiveError ? "silent" : "gone";
  }
}

const deaf: EngineListener = { status: () => {}, log: () => {}, closed: () => {} };

/**
 * Whether process `pid` is the engine of `place`: a record may outlive its engine, and the number be given to another.
 * Windows does not show how a process was started, but there the pipe of that random name is proof: who wrote the record listens.
 */
async function isEngine(pid: number, place: EnginePlace, isReached: boolean): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  if (process.platform === "win32") return isReached && isAlive(pid);
  const { runtimeFolder, name } = place;
  const line = await commandLine(pid);
  return line.trimEnd().endsWith(` --runtime-folder ${runtimeFolder} --name ${name}`);
}

async function hasEnded(pid: number): Promise<boolean> {
  for (const end = performance.now() + END_MS; performance.now() < end; ) {
    if (!isAlive(pid)) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}
