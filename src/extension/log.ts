// The one log channel of the extension; the engine's lines go there too.

import { type LogOutputChannel, window } from "vscode";
import type { Events } from "../protocol.ts";

export type Log = LogOutputChannel;

/** The channel *Lectern* of the Output view; its level is VS Code's "Set Log Level". */
export function createLog(): Log {
  return window.createOutputChannel("Lectern", { log: true });
}

/** Write an engine's line at its level. */
export function writeLog(log: Log, level: Events["log"]["level"], message: string): void {
  log[level](message);
}
