// The panel *Cache Stats*: a page without scripts, refreshed while it is visible and the engine works. Its links run the
// commands that fill it.

import {
  l10n,
  ProgressLocation,
  Uri,
  ViewColumn,
  type WebviewPanel,
  window,
  workspace,
} from "vscode";
import type { EngineStatus, Fidelity, IngestParams, Observer } from "../protocol.ts";
import { cacheStatsErrorHtml, cacheStatsHtml, PAGE_COMMANDS } from "./cacheStats.ts";
import { CannotAskError, type Subject } from "./conversation.ts";
import { StoppedError } from "./engineClient.ts";
import type { EngineProcess } from "./engineProcess.ts";
import { modelSettings } from "./settings.ts";

export class CacheStatsView {
  readonly #extensionUri: Uri;
  readonly #engine: EngineProcess;
  #panel: WebviewPanel | undefined;
  /** What was read into the cache last from this window. */
  #subject: Subject | undefined;
  #fidelity: Fidelity | undefined;
  #isWaiting = false;

  constructor(extensionUri: Uri, engine: EngineProcess) {
    this.#extensionUri = extensionUri;
    this.#engine = engine;
  }

  /** @throws CannotAskError, without a page, where nothing may run */
  async show(): Promise<void> {
    const body = await this.#bodyOrReason();
    const media = Uri.joinPath(this.#extensionUri, "media");
    this.#panel ??= this.#open(media);
    this.#panel.reveal();
    this.#render(body);
  }

  /** Read the whole of `subject` into a saved cache, and show what it holds. */
  async readIntoCache(subject: Subject): Promise<void> {
    const title = l10n.t("Reading {0} into the cache", subject.label);
    const isRead = await this.#withProgress(title, (observer, signal) =>
      this.#engine.request("ingest", paramsOf(subject), observer, signal),
    );
    if (!isRead) return;
    this.#subject = subject;
    this.#fidelity = undefined;
    await this.show();
  }

  /** Compare the cache of what was read last with the full one, and bring it back. */
  async measureFidelity(fallback: () => Subject): Promise<void> {
    const subject = this.#subject ?? fallback();
    const title = l10n.t("Comparing the cache of {0} with the full one", subject.label);
    const fidelity = await this.#withProgress(title, async (observer, signal) => {
      const measured = await this.#engine.request("fidelity", paramsOf(subject), observer, signal);
      await this.#engine.request("ingest", paramsOf(subject), observer, signal);
      return measured;
    });
    if (!fidelity) return;
    this.#subject = subject;
    this.#fidelity = fidelity;
    await this.show();
  }

  /** An operation has ended: its figures are new. */
  async statusChanged(status: EngineStatus): Promise<void> {
    // What this window waits for is shown when it has come, together with the figures.
    if (status.state === "idle" && this.#panel?.visible && !this.#isWaiting) await this.#refresh();
  }

  /** What `work` gave; undefined when the user stopped it. */
  async #withProgress<T>(
    title: string,
    work: (observer: Observer, signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const options = { location: ProgressLocation.Notification, title, cancellable: true };
    return window.withProgress(options, async (report, token) => {
      const stop = new AbortController();
      token.onCancellationRequested(() => stop.abort());
      const observer: Observer = {
        progress: ({ done, total, phase }) => {
          const share = total > 0 ? `, ${Math.floor((100 * done) / total)} %` : "";
          report.report({ message: `${phase}${share}` });
        },
      };
      this.#isWaiting = true;
      try {
        return await work(observer, stop.signal);
      } catch (error) {
        if (error instanceof StoppedError) return undefined;
        throw error;
      } finally {
        this.#isWaiting = false;
      }
    });
  }

  #open(media: Uri): WebviewPanel {
    const panel = window.createWebviewPanel(
      "lectern.cacheStats",
      l10n.t("Cache Stats"),
      ViewColumn.Active,
      { localResourceRoots: [media], enableCommandUris: [...PAGE_COMMANDS] },
    );
    panel.onDidDispose(() => {
      this.#panel = undefined;
    });
    let wasVisible = true;
    panel.onDidChangeViewState(() => {
      // What changed while another tab covered it.
      if (panel.visible && !wasVisible && !this.#isWaiting) void this.#refresh();
      wasVisible = panel.visible;
    });
    return panel;
  }

  async #refresh(): Promise<void> {
    this.#render(await this.#bodyOrReason());
  }

  async #bodyOrReason(): Promise<string> {
    try {
      return await this.#body();
    } catch (error) {
      if (error instanceof CannotAskError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      return cacheStatsErrorHtml(reason, l10n.t);
    }
  }

  #render(body: string): void {
    if (!this.#panel) return;
    const { webview } = this.#panel;
    const css = webview.asWebviewUri(Uri.joinPath(this.#extensionUri, "media", "cacheStats.css"));
    const html = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${webview.cspSource};">
<link rel="stylesheet" href="${css}">
<title>${l10n.t("Cache Stats")}</title>
</head>
<body><main>${body}</main></body>
</html>`;
    // Setting it draws the page anew, though it be the same.
    if (webview.html !== html) webview.html = html;
  }

  async #body(): Promise<string> {
    const { cacheDir } = modelSettings();
    const [snapshot, { map }, saved] = await Promise.all([
      this.#engine.request("snapshot", {}),
      this.#engine.request("cacheMap", {}),
      this.#engine.request("savedCaches", cacheDir === undefined ? {} : { cacheDir }),
    ]);
    const page = {
      snapshot,
      map: map ? named(map) : undefined,
      saved: { ...saved, caches: saved.caches.map(named) },
      fidelity: this.#fidelity && named(this.#fidelity),
    };
    return cacheStatsHtml(page, l10n.t);
  }
}

/** With the document's paths as the workspace names them. */
function named<T extends { readonly document: string }>(of: T): T {
  const paths = of.document.split(", ");
  return { ...of, document: paths.map((path) => workspace.asRelativePath(path)).join(", ") };
}

function paramsOf({ paths, unsaved }: Subject): IngestParams {
  return { ...modelSettings(), paths, unsaved };
}
