// Every command of the extension: id -> handler. package.json gives them titles and menus.

import {
  commands,
  type ExtensionContext,
  l10n,
  type QuickPickItem,
  type Uri,
  window,
  workspace,
} from "vscode";
import type { CacheStatsView } from "./cacheStatsView.ts";
import type { ChatStore } from "./chatStore.ts";
import type { ChatView } from "./chatView.ts";
import { chooseModel } from "./chooseModel.ts";
import type { Contribution } from "./contribution.ts";
import type { Conversation } from "./conversation.ts";
import type { EngineProcess } from "./engineProcess.ts";
import { explain } from "./helpActions.ts";
import type { Log } from "./log.ts";
import type { Scope } from "./scope.ts";
import { answerText, sourceTexts } from "./turnResults.ts";

export interface CommandParts {
  readonly conversation: Conversation;
  readonly chat: ChatView;
  readonly store: ChatStore;
  readonly scope: Scope;
  readonly engine: EngineProcess;
  readonly cacheStats: CacheStatsView;
  readonly log: Log;
}

type Handlers = Record<`lectern.${string}`, (argument?: unknown) => unknown>;

/** The table of handlers. Commands from menus get the file's Uri; keybindings may pass a question as text. */
export function commandTable(parts: CommandParts): Handlers {
  const { conversation, chat, scope, engine } = parts;
  const ask = async (question: unknown) => {
    await chat.focus();
    if (typeof question === "string") await chat.ask(question, () => scope.subject());
  };
  return {
    "lectern.askAboutWorkspace": (question) => {
      scope.useWorkspace();
      return ask(question);
    },
    "lectern.askAboutActiveFile": (question) => {
      scope.useActiveFile();
      return ask(question);
    },
    "lectern.askAbout": (uri) => {
      if (isUri(uri)) scope.usePath(uri);
      return ask(undefined);
    },
    "lectern.summarizeFile": (uri) =>
      chat.summarize(() => scope.fileSubject(isUri(uri) ? uri : scope.activeFile())),
    "lectern.readIntoCache": async (uri) => {
      const chosen = isUri(uri) ? uri : await scope.fileOrPicked();
      if (chosen) await parts.cacheStats.readIntoCache(scope.fileSubject(chosen));
    },
    "lectern.measureFidelity": () =>
      parts.cacheStats.measureFidelity(() => scope.fileSubject(scope.activeFile())),
    "lectern.showCacheStats": () => parts.cacheStats.show(),
    "lectern.chooseModel": () => chooseModel(engine),
    "lectern.chooseScope": () => scope.choose(),
    "lectern.restartEngine": () => engine.restart(),
    "lectern.newChat": async () => {
      await conversation.newChat();
      await chat.focus();
    },
    "lectern.showHistory": () => showHistory(parts),
    "lectern.stopAnswer": () => conversation.stop(),
    "lectern.showAnswerAsText": () => showAnswerAsText(conversation),
    "lectern.showLog": () => parts.log.show(),
  };
}

/** Registers the table; a handler that fails says why, once. */
export class Commands implements Contribution {
  readonly #parts: CommandParts;

  constructor(parts: CommandParts) {
    this.#parts = parts;
  }

  register(context: ExtensionContext): void {
    for (const [id, handler] of Object.entries(commandTable(this.#parts))) {
      const run = async (argument?: unknown) => {
        try {
          await handler(argument);
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          this.#parts.log.error(`${id}: ${message}`);
          await explain(error);
        }
      };
      context.subscriptions.push(commands.registerCommand(id, run));
    }
  }
}

async function showHistory({ store, conversation, chat }: CommandParts): Promise<void> {
  const items = store.all().map((earlier) => ({
    label: earlier.turns[0]?.question ?? "",
    description: new Date(earlier.startedAt).toLocaleString(),
    detail: l10n.t("{0} questions", earlier.turns.length),
    chat: earlier,
  })) satisfies (QuickPickItem & object)[];
  const title = l10n.t("Earlier chats");
  const placeHolder = l10n.t("No chats yet");
  const options = items.length > 0 ? { title, matchOnDetail: true } : { title, placeHolder };
  const picked = await window.showQuickPick(items, options);
  if (!picked) return;
  await conversation.open(picked.chat);
  await chat.focus();
}

/** The last answer as a document: for screen readers, searching and saving. */
async function showAnswerAsText({ turns }: Conversation): Promise<void> {
  const turn = turns.at(-1);
  if (!turn) return void window.showInformationMessage(l10n.t("There is no answer yet."));
  const content = [turn.question, answerText(turn), ...sourceTexts(turn, l10n.t)].join("\n\n");
  const document = await workspace.openTextDocument({ content, language: "markdown" });
  await window.showTextDocument(document);
}

function isUri(value: unknown): value is Uri {
  return typeof value === "object" && value !== null && "fsPath" in value && "scheme" in value;
}
