// What a failure looks like to the user: one line that says what happened, the value, and what to do.

import { StoppedError, UserError } from "../engine/errors.ts";

const systemErrors: Readonly<Record<string, string>> = {
  ENOENT: "does not exist. Check the path.",
  EACCES: "may not be opened by this user. Check its permissions.",
  EPERM: "may not be opened by this user. Check its permissions.",
  EISDIR: "is a folder, but a file was expected.",
  ENOTDIR: "is not a folder. Check the path.",
  ENOSPC: "could not be written: the disk is full. Free some space.",
  EROFS: "could not be written: the file system is read-only.",
  EMFILE: "could not be opened: too many files are open.",
};

/** What was tried, by the system's call; `open` may be either. */
const verbs: Readonly<Record<string, string>> = {
  ...{ scandir: "read", opendir: "read", read: "read", stat: "read", lstat: "read" },
  ...{ mkdir: "written", rename: "written", unlink: "written", rm: "written", write: "written" },
};

/** The failure in one line. */
export function oneLine(error: unknown): string {
  if (error instanceof StoppedError || isAbort(error)) return "Stopped.";
  if (error instanceof UserError) return fold(error.message);
  if (!(error instanceof Error)) return fold(String(error));
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  const isRefused = code === "EACCES" || code === "EPERM";
  const verb = isRefused && syscall !== undefined ? verbs[syscall] : undefined;
  const known = verb
    ? `may not be ${verb} by this user. Check its permissions.`
    : code && systemErrors[code];
  if (known && path) return fold(`${path} ${known}`);
  return fold(`${error.message} (unexpected: --verbose prints where)`);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function fold(message: string): string {
  return message.replace(/\s*\n\s*/g, " ").trim();
}
