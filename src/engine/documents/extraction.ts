// Takes the text out of files whose parsers run in a process of their own, bounded in time and memory, that can be stopped.

import type { ChildProcess } from "node:child_process";
import { startProgram } from "../childProcess.ts";
import { StoppedError, throwIfStopped, UserError } from "../errors.ts";
import type { DocumentText, ReadingOptions } from "./document.ts";
import type { ExtractionReply, ExtractionRequest } from "./extractionProcess.ts";

const PROGRAM = new URL("./extractionProcess.ts", import.meta.url);
const MEMORY_LIMIT_MB = 2048;
/** Without a page read, or at the start. */
const SILENT_MS = 60_000;
/** A process is kept this long for the next file: starting one takes a third of a second. */
const KEPT_MS = 10_000;

/** The process that waits for the next file. */
let waiting: { readonly child: ChildProcess; readonly timer: NodeJS.Timeout } | undefined;

export interface ExtractionOptions extends ReadingOptions {
  /** How long a page may take, and the process to start. */
  readonly silentMs?: number;
}

/**
 * The text of a file.
 * @throws UserError for a file that cannot be read, takes too long or too much memory; StoppedError on the signal
 */
export async function extractText(
  request: ExtractionRequest,
  { signal, onPages, silentMs = SILENT_MS }: ExtractionOptions = {},
): Promise<DocumentText> {
  throwIfStopped(signal);
  const { child, isReady } = takeProcess();
  try {
    const text = await converse(child, { request, isReady, signal, onPages, silentMs });
    keep(child);
    return text;
  } catch (error) {
    if (error instanceof RefusedError) {
      keep(child);
      throw new UserError(error.message);
    }
    child.kill("SIGKILL");
    throw error;
  }
}

/** The process is well, the file is not. */
class RefusedError extends Error {
  override readonly name = "RefusedError";
}

function takeProcess(): { child: ChildProcess; isReady: boolean } {
  const kept = waiting;
  waiting = undefined;
  if (!kept) return { child: startProgram(PROGRAM, MEMORY_LIMIT_MB), isReady: false };
  clearTimeout(kept.timer);
  for (const event of ["error", "exit"]) kept.child.removeAllListeners(event);
  kept.child.ref();
  kept.child.channel?.ref();
  return { child: kept.child, isReady: true };
}

/** Let a process wait for a while, without keeping this one alive. */
function keep(child: ChildProcess): void {
  const end = (): void => {
    if (waiting?.child === child) waiting = undefined;
    child.kill("SIGKILL");
  };
  if (waiting || !child.connected) {
    end();
    return;
  }
  waiting = { child, timer: setTimeout(end, KEPT_MS).unref() };
  child.once("exit", end).once("error", end);
  child.unref();
  child.channel?.unref();
}

interface Conversation extends ReadingOptions {
  readonly request: ExtractionRequest;
  readonly silentMs: number;
  readonly isReady: boolean;
}

function converse(
  child: ChildProcess,
  { request, isReady, signal, onPages, silentMs }: Conversation,
): Promise<DocumentText> {
  let where = "";
  let timer: NodeJS.Timeout | undefined;
  let stop = (): void => {};
  const conversation = new Promise<DocumentText>((resolve, reject) => {
    const fail = (reason: string): void => reject(new UserError(reason));
    const listen = (): void => {
      clearTimeout(timer);
      const reason = `Reading it took over ${silentMs / 1000} s${where}.`;
      timer = setTimeout(fail, silentMs, reason);
    };
    stop = () => reject(new StoppedError());
    signal?.addEventListener("abort", stop);
    child.once("error", ({ message }) => fail(`It cannot be read (${message}).`));
    const gigabytes = MEMORY_LIMIT_MB / 1024;
    child.once("exit", () => fail(`Reading it took over ${gigabytes} GB of memory${where}.`));
    child.on("message", (reply: ExtractionReply) => {
      listen();
      switch (reply.state) {
        case "ready":
          child.send(request);
          break;
        case "pages":
          where = ` at page ${reply.done + 1}`;
          onPages?.(reply.done, reply.total);
          break;
        case "read":
          resolve(reply.text);
          break;
        case "failed":
          reject(new RefusedError(reply.reason));
          break;
        default:
          reply satisfies never;
      }
    });
    listen();
    if (isReady) child.send(request);
  });
  return conversation.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    for (const event of ["error", "exit", "message"]) child.removeAllListeners(event);
  });
}
