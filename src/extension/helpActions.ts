// What the buttons that help do, in the chat and in messages.

import { commands, l10n, window } from "vscode";
import type { ChatAction } from "../protocol.ts";
import { actionFor, CannotAskError } from "./conversation.ts";

/** The command behind each button, and its arguments. */
export const ACTIONS: Readonly<
  Record<ChatAction, readonly [command: string, ...values: string[]]>
> = {
  chooseScope: ["lectern.chooseScope"],
  chooseModel: ["lectern.chooseModel"],
  showHistory: ["lectern.showHistory"],
  showCacheStats: ["lectern.showCacheStats"],
  showLog: ["lectern.showLog"],
  restartEngine: ["lectern.restartEngine"],
  openFolder: ["workbench.action.files.openFolder"],
  openSettings: ["workbench.action.openSettings", "lectern"],
  manageTrust: ["workbench.trust.manage"],
};

const LABELS: Partial<Record<ChatAction, string>> = {
  manageTrust: "Manage Trust",
  openFolder: "Open Folder",
  chooseScope: "Choose",
  showLog: "Show Log",
  restartEngine: "Restart Engine",
  openSettings: "Open Settings",
};

/** Show why something failed, with a button that helps; a warning where it cannot be done as things are. */
export async function explain(error: unknown): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  const action = actionFor(error);
  const label = LABELS[action];
  const buttons = label === undefined ? [] : [l10n.t(label)];
  const picked =
    error instanceof CannotAskError
      ? await window.showWarningMessage(message, ...buttons)
      : await window.showErrorMessage(message, ...buttons);
  if (picked) await commands.executeCommand(...ACTIONS[action]);
}
