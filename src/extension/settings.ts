// The settings `lectern.*` as the engine's ModelSettings. Unset values are left out: the engine's defaults are the
// command line's, written once, over there.

import { ConfigurationTarget, workspace } from "vscode";
import type { ModelSettings } from "../protocol.ts";
import { modelSettingNames } from "./settingNames.ts";

/** Settings that are not for the engine's requests. */
const OWN = ["nodePath"] as const;

/** What the user has set, for a request. */
export function modelSettings(): ModelSettings {
  const configuration = workspace.getConfiguration("lectern");
  const values = modelSettingNames.map((name) => [name, configuration.get<unknown>(name)] as const);
  // Types are those of package.json's schema, which VS Code checks as the user types.
  return Object.fromEntries(values.filter(([, value]) => isSet(value))) as ModelSettings;
}

/** A setting of the extension itself. */
export function ownSetting(name: (typeof OWN)[number]): string {
  return workspace.getConfiguration("lectern").get<string>(name, "");
}

/** Make `model` the model of all windows, or of the workspace that has one of its own; empty for the embedded one. */
export async function setModel(model: string): Promise<void> {
  const configuration = workspace.getConfiguration("lectern");
  const { Global, Workspace } = ConfigurationTarget;
  const isOwn = configuration.inspect("model")?.workspaceValue !== undefined;
  await configuration.update("model", model, isOwn ? Workspace : Global);
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined && value !== "";
}
