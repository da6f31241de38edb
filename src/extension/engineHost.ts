// The engine process as VS Code hosts it: its settings, trust, log and the message after too many crashes.

import { join } from "node:path";
import { commands, type ExtensionContext, l10n, window, workspace } from "vscode";
import type { EngineStatus } from "../protocol.ts";
import { endEngine } from "./endEngine.ts";
import { launchEngine } from "./engineLaunch.ts";
import { EngineProcess } from "./engineProcess.ts";
import { type Log, writeLog } from "./log.ts";
import { findNode } from "./nodeExecutable.ts";
import { engineName, runtimeFolder } from "./runtimeFolder.ts";
import { ownSetting } from "./settings.ts";
import { requireTrust } from "./trust.ts";

/** The engine of this window; nothing runs until it is first asked. */
export function createEngine(
  { extensionPath, extension }: ExtensionContext,
  log: Log,
  onStatus: (status: EngineStatus) => void,
): EngineProcess {
  const version: string = extension.packageJSON.version;
  const place = () => ({
    runtimeFolder: runtimeFolder(process.env),
    name: engineName(extensionPath, version),
    client: workspace.name ?? "window",
  });
  return new EngineProcess({
    check: requireTrust,
    launch: (listener, signal) =>
      launchEngine({
        ...place(),
        node: () => findNode({ setting: ownSetting("nodePath"), extensionPath, env: process.env }),
        engine: join(extensionPath, "dist", "engine.mjs"),
        env: process.env,
        listener,
        signal,
      }),
    end: () => endEngine(place()),
    onStatus,
    onLog: (level, message) => writeLog(log, level, message),
    onGaveUp: (message) => void offerHelp(message, log),
  });
}

async function offerHelp(message: string, log: Log): Promise<void> {
  const showLog = l10n.t("Show Log");
  const restart = l10n.t("Restart Engine");
  const picked = await window.showErrorMessage(message, showLog, restart);
  if (picked === showLog) log.show();
  if (picked === restart) await commands.executeCommand("lectern.restartEngine");
}
