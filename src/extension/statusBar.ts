// The status-bar item: shows the engine's state, and in its tooltip what can be done about it.

import {
  type ExtensionContext,
  l10n,
  MarkdownString,
  StatusBarAlignment,
  type StatusBarItem,
  ThemeColor,
  window,
  workspace,
} from "vscode";
import type { EngineStatus } from "../protocol.ts";
import type { Contribution } from "./contribution.ts";
import { statusText } from "./statusText.ts";

export class StatusBar implements Contribution {
  #item: StatusBarItem | undefined;
  #status: EngineStatus = { state: "stopped" };

  register(context: ExtensionContext): void {
    this.#item = window.createStatusBarItem("lectern.status", StatusBarAlignment.Right, 100);
    this.#item.name = "Lectern";
    context.subscriptions.push(
      this.#item,
      workspace.onDidGrantWorkspaceTrust(() => this.show(this.#status)),
    );
    this.show(this.#status);
    this.#item.show();
  }

  show(status: EngineStatus): void {
    this.#status = status;
    if (!this.#item) return;
    const { text, tooltip, severity, label } = statusText(status, workspace.isTrusted, l10n.t);
    this.#item.text = text;
    this.#item.tooltip = tooltipWithLinks(tooltip);
    this.#item.accessibilityInformation = { label, role: "button" };
    this.#item.command = severity === "error" ? "lectern.showLog" : "lectern.chat.focus";
    this.#item.backgroundColor =
      severity === "none" ? undefined : new ThemeColor(`statusBarItem.${severity}Background`);
  }
}

function tooltipWithLinks(sentence: string): MarkdownString {
  const tooltip = new MarkdownString("", true);
  tooltip.isTrusted = { enabledCommands: links.map(([command]) => command) };
  tooltip.appendText(sentence);
  const list = links.map(
    ([command, icon, title]) => `[$(${icon}) ${l10n.t(title)}](command:${command})`,
  );
  tooltip.appendMarkdown(`\n\n---\n\n${list.join(" &nbsp; ")}`);
  return tooltip;
}

const links = [
  ["lectern.showCacheStats", "graph", "Cache stats"],
  ["lectern.chooseModel", "chip", "Model"],
  ["lectern.restartEngine", "debug-restart", "Restart"],
  ["lectern.showLog", "output", "Log"],
] as const;
