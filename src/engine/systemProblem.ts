// What the operating system's error codes mean to a user.

import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "./errors.ts";

const FORBIDDEN: ReadonlySet<unknown> = new Set(["EACCES", "EPERM", "EROFS"]);

/** The user may not do that, as opposed to there being nothing, or no room. */
export function isForbidden(error: unknown): boolean {
  return FORBIDDEN.has(codeOf(error));
}

/** The disk is full, or the user's share of it. */
export function hasNoRoom(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EFBIG"].includes(codeOf(error) ?? "");
}

/** What to do where something cannot be written. */
export function writeRemedy(error: unknown): string {
  return isForbidden(error) ? "check the permissions" : "free some space";
}

/** `ENOSPC`; undefined where it is no error of the system. */
export function codeOf(error: unknown): string | undefined {
  return isSystemError(error) ? error.code : undefined;
}

/** Whether the operating system refused: no such file, no space, no permission. */
export function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

/**
 * Whatever else is wrong with the folder is said when it is written.
 * @throws UserError where the user may not write into it, or not make it
 */
export async function requireWritable(folder: string): Promise<void> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      if (!(await stat(path)).isDirectory()) return;
      return await access(path, constants.W_OK | constants.X_OK);
    } catch (error) {
      if (isForbidden(error))
        throw new UserError(
          `${folder} may not be written by this user (${codeOf(error)}): check the permissions of ${path} or choose another --cache-dir.`,
        );
      if (codeOf(error) !== "ENOENT" || path === dirname(path)) return;
    }
  }
}
