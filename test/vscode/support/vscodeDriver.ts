// Drives a real VS Code: starts the server with the .vsix installed and opens windows in Chromium.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Frame, type Locator, type Page } from "playwright-core";

export interface ServerPaths {
  /** Node that runs the server, and the server's entry point. */
  readonly node: string;
  readonly entry: string;
  readonly vsix: string;
  readonly chromium: string;
}

export type Settings = Readonly<Record<string, unknown>>;

/** Quiet, trusted, and the same on every run. */
const SETTINGS: Settings = {
  "security.workspace.trust.enabled": false,
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "window.commandCenter": false,
  "telemetry.telemetryLevel": "off",
  "extensions.ignoreRecommendations": true,
  "files.autoSave": "off",
  "editor.minimap.enabled": false,
  "git.enabled": false,
};

export class VsCode {
  readonly home: string;
  readonly #port: number;
  readonly #server: ChildProcess;
  readonly #browser: Browser;

  static async start(paths: ServerPaths, env: NodeJS.ProcessEnv = {}): Promise<VsCode> {
    const home = mkdtempSync(join(tmpdir(), "lectern-vscode-"));
    for (const folder of ["run", "data/User", "data/Machine", "extensions"]) {
      mkdirSync(join(home, folder), { recursive: true, mode: 0o700 });
    }
    const folders = [
      "--user-data-dir",
      join(home, "data"),
      "--extensions-dir",
      join(home, "extensions"),
    ];
    execFileSync(paths.node, [paths.entry, "--install-extension", paths.vsix, ...folders], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const port = await freePort();
    const address = ["--auth", "none", "--bind-addr", `127.0.0.1:${port}`];
    const quiet = [
      "--disable-telemetry",
      "--disable-update-check",
      "--disable-getting-started-override",
    ];
    const server = spawn(paths.node, [paths.entry, ...address, ...folders, ...quiet], {
      // No PATH and no fallback: what runs must come out of the installed extension.
      env: {
        ...cleanEnv(),
        PATH: "",
        XDG_RUNTIME_DIR: join(home, "run"),
        LECTERN_NODE: "bundled",
        ...env,
      },
      stdio: ["ignore", "ignore", "inherit"],
    });
    await answers(`http://127.0.0.1:${port}/healthz`);
    const browser = await chromium.launch({
      executablePath: paths.chromium,
      args: [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
      ],
    });
    return new VsCode(home, port, server, browser);
  }

  private constructor(home: string, port: number, server: ChildProcess, browser: Browser) {
    this.home = home;
    this.#port = port;
    this.#server = server;
    this.#browser = browser;
  }

  /** Root of the installed extensions. */
  get extensions(): string {
    return join(this.home, "extensions");
  }

  /** Where engines of this server publish themselves. */
  get runtimeFolder(): string {
    return join(this.home, "run", "lectern");
  }

  /** Set the user's settings; they hold for windows opened afterwards. */
  configure(settings: Settings): void {
    const text = JSON.stringify({ ...SETTINGS, ...settings });
    // Settings about paths belong to the machine where the files are, not to the browser's user.
    for (const scope of ["User", "Machine"]) {
      writeFileSync(join(this.home, "data", scope, "settings.json"), text);
    }
  }

  /** A new window on `folder`, with a browser profile of its own unless `page` is given to reuse. */
  async open(folder: string, page?: Page): Promise<Window> {
    const target = page ?? (await this.#newPage());
    await target.goto(`http://127.0.0.1:${this.#port}/?folder=${encodeURIComponent(folder)}`);
    await target.locator(".monaco-workbench").waitFor();
    // The palette lists the commands known when it opens: wait until this extension's are.
    await target.locator('.activitybar a[aria-label="Lectern"]').waitFor();
    return new Window(target);
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    const ended = new Promise((resolve) => this.#server.once("exit", resolve));
    this.#server.kill("SIGTERM");
    const kill = setTimeout(() => this.#server.kill("SIGKILL"), 3000);
    await ended;
    clearTimeout(kill);
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }

  async #newPage(): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 840 } });
    context.setDefaultTimeout(60_000);
    return context.newPage();
  }
}

/** One window of VS Code. */
export class Window {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** The innermost frame of the webview that shows an element for `selector`. */
  async frame(selector: string): Promise<Frame> {
    for (let attempt = 0; attempt < 1200; attempt++) {
      for (const frame of this.page.frames()) {
        // A frame may go away while it is asked.
        if ((await frame.$(selector).catch(() => null)) !== null) return frame;
      }
      await this.page.waitForTimeout(50);
    }
    throw new Error(`No webview showed ${selector} within 60 s.`);
  }

  /** The chat's page. */
  chat(): Promise<Frame> {
    return this.frame("lectern-composer");
  }

  /** Run a command of the palette by its full title. */
  command(title: string): Promise<void> {
    return this.#pick("F1", `>${title}`, title);
  }

  /** Open a file of the workspace by its name, through quick open. */
  async openFile(name: string): Promise<void> {
    await this.#pick("ControlOrMeta+P", name, name);
    await this.page.locator(`.tab.active[data-resource-name="${name}"]`).waitFor();
  }

  /**
   * Open quick input with `key`, type `text` and click the first row that has `label`. A view that takes the focus late closes
   * quick input at any moment up to the click, and its list knows the commands from when it opened: then all of it begins anew.
   */
  async #pick(key: string, text: string, label: string): Promise<void> {
    const input = this.page.locator(".quick-input-widget input[type=text]");
    const row = this.page.locator(".quick-input-list .monaco-list-row", { hasText: label }).first();
    let last: unknown;
    for (let attempt = 0; attempt < 15; attempt++) {
      await this.page.keyboard.press(key);
      try {
        await input.fill(text, { timeout: 4000 });
        return await row.click({ timeout: 4000 });
      } catch (error) {
        last = error;
        await this.page.keyboard.press("Escape");
      }
    }
    throw new Error(`Quick input did not offer "${label}": ${last}`);
  }

  /** Ask in the chat view, as a user does; resolves with the turn's element. */
  async ask(question: string): Promise<Locator> {
    const chat = await this.chat();
    const numTurns = await chat.locator(".turn").count();
    const input = chat.getByRole("textbox", { name: "Question" });
    await input.fill(question);
    await input.press("Enter");
    const turn = chat.locator(".turn").nth(numTurns);
    await turn.waitFor();
    return turn;
  }

  /** How a turn of the chat ended. */
  async ended(turn: Locator): Promise<string> {
    for (;;) {
      const state = await turn.getAttribute("data-state");
      if (state !== null && state !== "running" && state !== "stopping") return state;
      await this.page.waitForTimeout(50);
    }
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}

/** The environment without switches that would reach VS Code or its extension host. */
function cleanEnv(): NodeJS.ProcessEnv {
  const unwanted = /^(VSCODE_|ELECTRON_|NODE_OPTIONS$|NODE_PATH$|PORT$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !unwanted.test(name)));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("No free port was given.");
  return address.port;
}

async function answers(url: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const isThere = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`The VS Code server did not answer at ${url} within 30 s.`);
}
