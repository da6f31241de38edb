// What the next question is about: the workspace, the file in the active editor, or a path the user picked.

import {
  EventEmitter,
  type ExtensionContext,
  FileType,
  l10n,
  type QuickPickItem,
  TabInputCustom,
  TabInputNotebook,
  TabInputText,
  type Uri,
  window,
  workspace,
} from "vscode";
import type { ChatSurroundings, ChatTurn } from "../protocol.ts";
import type { Contribution } from "./contribution.ts";
import { CannotAskError, type Subject } from "./conversation.ts";
import { shownFile } from "./extractedText.ts";
import { requireTrust } from "./trust.ts";

type Kind = ChatSurroundings["scope"]["kind"];

export class Scope implements Contribution {
  #kind: Kind = "workspace";
  #picked: Uri | undefined;
  /** The last editor of a file: the chat itself takes the focus away from it. */
  #lastFile: Uri | undefined;
  readonly #changed = new EventEmitter<void>();
  readonly onDidChange = this.#changed.event;

  register(context: ExtensionContext): void {
    this.#noteActive();
    context.subscriptions.push(
      this.#changed,
      window.tabGroups.onDidChangeTabs(() => this.#noteActive()),
      window.tabGroups.onDidChangeTabGroups(() => this.#noteActive()),
      workspace.onDidChangeWorkspaceFolders(() => this.#changed.fire()),
      workspace.onDidGrantWorkspaceTrust(() => this.#changed.fire()),
    );
  }

  /** Editors of text, notebooks and whatever else shows a file. */
  #noteActive(): void {
    const uri = activeTabFile();
    if (!uri || uri.toString() === this.#lastFile?.toString()) return;
    this.#lastFile = uri;
    this.#changed.fire();
  }

  get kind(): Kind {
    return this.#kind;
  }

  get label(): string {
    if (this.#kind === "workspace") return workspace.name ?? l10n.t("Workspace");
    const uri = this.#uri();
    return uri ? workspace.asRelativePath(uri) : l10n.t("No file");
  }

  get hasAny(): boolean {
    return this.#kind === "workspace" ? folders().length > 0 : this.#uri() !== undefined;
  }

  useWorkspace(): void {
    this.#kind = "workspace";
    this.#changed.fire();
  }

  useActiveFile(): void {
    this.#kind = "file";
    this.#changed.fire();
  }

  usePath(uri: Uri): void {
    this.#kind = "path";
    this.#picked = uri;
    this.#changed.fire();
  }

  /** Let the user pick. */
  async choose(): Promise<void> {
    const items: (QuickPickItem & { run: () => void | Promise<void> })[] = [
      {
        label: `$(root-folder) ${l10n.t("Workspace")}`,
        description: workspace.name ?? "",
        run: () => this.useWorkspace(),
      },
      {
        label: `$(file) ${l10n.t("Active file")}`,
        description: this.#lastFile ? workspace.asRelativePath(this.#lastFile) : "",
        run: () => this.useActiveFile(),
      },
      { label: `$(folder-opened) ${l10n.t("Browse…")}`, run: () => this.#browse() },
    ];
    const title = l10n.t("Ask about");
    const picked = await window.showQuickPick(items, { title });
    await picked?.run();
  }

  /** The chosen paths with unsaved text. Throws CannotAskError, with what to do, when there is nothing to ask about. */
  subject(): Subject {
    requireTrust();
    if (this.#kind !== "workspace") {
      const uri = this.#uri();
      if (uri) return this.fileSubject(uri);
      throw new CannotAskError(
        l10n.t("No file is open: open one, or choose what to ask about."),
        "chooseScope",
      );
    }
    const paths = folders().map(({ fsPath }) => fsPath);
    if (paths.length === 0) {
      throw new CannotAskError(
        l10n.t("There is no folder on disk to read: open a folder, or choose a file."),
        "openFolder",
      );
    }
    return { label: this.label, paths, unsaved: unsavedText() };
  }

  /** What a turn was about, as it is now; what is chosen now where that is not known. */
  subjectOf({ scope, paths }: Pick<ChatTurn, "scope" | "paths">): Subject {
    if (!paths) return this.subject();
    requireTrust();
    return { label: scope, paths, unsaved: unsavedText() };
  }

  /** `uri` alone as the subject. */
  fileSubject(uri: Uri): Subject {
    requireTrust();
    if (uri.scheme !== "file") {
      const label = workspace.asRelativePath(uri);
      throw new CannotAskError(
        l10n.t("{0} is not a file on disk: save it, or choose another.", label),
        "chooseScope",
      );
    }
    return { label: workspace.asRelativePath(uri), paths: [uri.fsPath], unsaved: unsavedText() };
  }

  /** The file of the active, or last active, editor. */
  activeFile(): Uri {
    const uri = activeTabFile() ?? this.#lastFile;
    if (uri) return uri;
    throw new CannotAskError(l10n.t("No file is open: open one first."), "chooseScope");
  }

  /** The file of the active, or last active, editor; where there is none, what the user picks. */
  async fileOrPicked(): Promise<Uri | undefined> {
    return activeTabFile() ?? this.#lastFile ?? (await pick());
  }

  #uri(): Uri | undefined {
    return this.#kind === "path" ? this.#picked : this.#lastFile;
  }

  async #browse(): Promise<void> {
    const uri = await pick();
    if (uri) this.usePath(uri);
  }
}

/** Whether `uri` is a folder. */
export async function isFolder(uri: Uri): Promise<boolean> {
  return (await workspace.fs.stat(uri)).type === FileType.Directory;
}

async function pick(): Promise<Uri | undefined> {
  const [uri] =
    (await window.showOpenDialog({
      canSelectFiles: true,
      canSelectFolders: true,
      openLabel: l10n.t("Choose"),
    })) ?? [];
  return uri;
}

/** Documents that somebody works on. Others, of version control and the like, leave the active file as it was. */
const OWN_SCHEMES = ["file", "untitled"];

/** The file that the active tab shows, whatever its editor; a text that was never saved has a URI that is no file's. */
function activeTabFile(): Uri | undefined {
  const input = window.tabGroups.activeTabGroup.activeTab?.input;
  const isOfFile =
    input instanceof TabInputText ||
    input instanceof TabInputNotebook ||
    input instanceof TabInputCustom;
  if (!isOfFile) return undefined;
  const uri = shownFile(input.uri);
  return OWN_SCHEMES.includes(uri.scheme) ? uri : undefined;
}

function folders(): Uri[] {
  const all = workspace.workspaceFolders ?? [];
  return all.map(({ uri }) => uri).filter(({ scheme }) => scheme === "file");
}

function unsavedText(): Record<string, string> {
  const dirty = workspace.textDocuments.filter(
    (document) => document.isDirty && document.uri.scheme === "file",
  );
  return Object.fromEntries(dirty.map((document) => [document.uri.fsPath, document.getText()]));
}
