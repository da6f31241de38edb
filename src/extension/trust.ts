// Nothing of a workspace runs before its user trusts it.

import { l10n, workspace } from "vscode";
import { CannotAskError } from "./conversation.ts";

/** Throws CannotAskError, with what to do, in an untrusted workspace. */
export function requireTrust(): void {
  if (workspace.isTrusted) return;
  throw new CannotAskError(
    l10n.t("Lectern runs nothing in an untrusted workspace."),
    "manageTrust",
  );
}
