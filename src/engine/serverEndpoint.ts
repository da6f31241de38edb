// Where the engine listens and how windows find it: a socket with a random name and a record file that names it,
// both in a folder only their owner may enter. The record carries the handshake's secret.

import { randomBytes } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type EngineRecord, PROTOCOL_VERSION } from "../protocol.ts";
import { UserError } from "./errors.ts";

/** An address nobody listens on yet, and the record that will lead to it. */
export interface Endpoint {
  readonly record: EngineRecord;
  readonly recordPath: string;
}

/** Create `folder` for its owner alone; throws when somebody else could reach into it. */
export function ownerOnlyFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (process.platform === "win32") return; // the folder inherits the user profile's access list
  const status = lstatSync(folder);
  if (!status.isDirectory() || status.uid !== process.getuid?.()) {
    throw new UserError(
      `${folder} belongs to someone else: remove it, or set XDG_RUNTIME_DIR to a folder of your own.`,
    );
  }
  if ((status.mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

/** A fresh address in `folder`; `name` tells engines of different versions apart. */
export function newEndpoint(folder: string, name: string): Endpoint {
  const unique = `lectern-${name}-${randomBytes(6).toString("hex")}`;
  const socket =
    process.platform === "win32" ? `\\\\.\\pipe\\${unique}` : join(folder, `${unique}.sock`);
  const token = randomBytes(32).toString("hex");
  return {
    record: { pid: process.pid, socket, token, protocolVersion: PROTOCOL_VERSION },
    recordPath: join(folder, `${name}.json`),
  };
}

/** Make the endpoint findable; the record appears whole or not at all. */
export function publish(endpoint: Endpoint): void {
  removeSocket(readRecord(endpoint.recordPath)?.socket);
  const partial = `${endpoint.recordPath}.${process.pid}`;
  writeFileSync(partial, JSON.stringify(endpoint.record), { mode: 0o600 });
  renameSync(partial, endpoint.recordPath);
}

/** Remove the record, unless another engine has replaced it, and the socket. */
export function withdraw(endpoint: Endpoint): void {
  if (readRecord(endpoint.recordPath)?.socket === endpoint.record.socket) {
    rmSync(endpoint.recordPath, { force: true });
  }
  removeSocket(endpoint.record.socket);
}

function removeSocket(socket: string | undefined): void {
  if (socket !== undefined && process.platform !== "win32") rmSync(socket, { force: true });
}

function readRecord(path: string): Partial<EngineRecord> | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Partial<EngineRecord>; // fields checked by use
  } catch {
    return undefined; // no engine has published here, or a torn file that is about to be replaced
  }
}
