// The settings `lectern.*` as the engine's ModelSettings. Unset values are left out: the engine's defaults are the
// command line's, written once, over there.

import { ConfigurationTarget, workspace } from "vscode";
import type { ModelSettings } from "../protocol.ts";
import { checkedSettings, checkedValue } from "./settingTypes.ts";

/** Settings that are not for the engine's requests. */
const OWN = ["nodePath"] as const;

/** What the user has set, for a request. Throws CannotAskError as `checkedSettings`. */
export function modelSettings(): ModelSettings {
  const configuration = workspace.getConfiguration("lectern");
  return checkedSettings((name) => configuration.get<unknown>(name));
}

/** The model the user has chosen, whatever the other settings say; undefined for the embedded one. */
export function chosenModel(): string | undefined {
  const model = workspace.getConfiguration("lectern").get<unknown>("model");
  return typeof model === "string" && model !== "" ? model : undefined;
}

/** A setting of the extension itself; throws CannotAskError where it is no text. */
export function ownSetting(name: (typeof OWN)[number]): string {
  const value = workspace.getConfiguration("lectern").get<unknown>(name);
  return String(checkedValue(name, "string", value) ?? "");
}

/** Make `model` the model of all windows, or of the workspace that has one of its own; empty for the embedded one. */
export async function setModel(model: string): Promise<void> {
  const configuration = workspace.getConfiguration("lectern");
  const { Global, Workspace } = ConfigurationTarget;
  const isOwn = configuration.inspect("model")?.workspaceValue !== undefined;
  await configuration.update("model", model, isOwn ? Workspace : Global);
}
