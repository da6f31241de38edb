// The panel *Cache Stats*: a page without scripts, refreshed while it is visible and the engine works.

import { l10n, Uri, ViewColumn, type WebviewPanel, window } from "vscode";
import type { EngineStatus } from "../protocol.ts";
import { cacheStatsHtml } from "./cacheStats.ts";
import type { EngineProcess } from "./engineProcess.ts";

export class CacheStatsView {
  readonly #extensionUri: Uri;
  readonly #engine: EngineProcess;
  #panel: WebviewPanel | undefined;

  constructor(extensionUri: Uri, engine: EngineProcess) {
    this.#extensionUri = extensionUri;
    this.#engine = engine;
  }

  async show(): Promise<void> {
    const media = Uri.joinPath(this.#extensionUri, "media");
    this.#panel ??= this.#open(media);
    this.#panel.reveal();
    await this.#refresh();
  }

  /** An operation has ended: its figures are new. */
  async statusChanged(status: EngineStatus): Promise<void> {
    if (status.state === "idle" && this.#panel?.visible) await this.#refresh();
  }

  #open(media: Uri): WebviewPanel {
    const panel = window.createWebviewPanel(
      "lectern.cacheStats",
      l10n.t("Cache Stats"),
      ViewColumn.Active,
      { localResourceRoots: [media] },
    );
    panel.onDidDispose(() => {
      this.#panel = undefined;
    });
    return panel;
  }

  async #refresh(): Promise<void> {
    const snapshot = await this.#engine.request("snapshot", {});
    if (!this.#panel) return;
    const { webview } = this.#panel;
    const css = webview.asWebviewUri(Uri.joinPath(this.#extensionUri, "media", "cacheStats.css"));
    webview.html = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${webview.cspSource};">
<link rel="stylesheet" href="${css}">
<title>${l10n.t("Cache Stats")}</title>
</head>
<body>${cacheStatsHtml(snapshot, l10n.t)}</body>
</html>`;
  }
}
