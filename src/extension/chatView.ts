// The chat in the activity bar: its page, and the messages between page and conversation. The conversation lives here in
// the extension host; the page can be closed and reopened at any time.

import {
  type CancellationToken,
  commands,
  type ExtensionContext,
  env,
  l10n,
  Uri,
  type WebviewView,
  type WebviewViewProvider,
  type WebviewViewResolveContext,
  window,
  workspace,
} from "vscode";
import type { ChatSurroundings, ChatTurn, FromWebview, ToWebview } from "../protocol.ts";
import { chatPage } from "./chatPage.ts";
import { modelLabel } from "./chooseModel.ts";
import type { Contribution } from "./contribution.ts";
import { CannotAskError, type Conversation, type Subject } from "./conversation.ts";
import type { EngineProcess } from "./engineProcess.ts";
import { ACTIONS, explain } from "./helpActions.ts";
import { locateQuote } from "./locateQuote.ts";
import { openCitation } from "./openCitation.ts";
import type { Scope } from "./scope.ts";
import { answerText } from "./turnResults.ts";

export interface ChatViewParts {
  readonly extensionUri: Uri;
  readonly conversation: Conversation;
  readonly scope: Scope;
  readonly engine: EngineProcess;
}

export class ChatView implements Contribution, WebviewViewProvider {
  readonly #parts: ChatViewParts;
  #view: WebviewView | undefined;
  /** Set once the page has said that it listens; messages before that would be lost. */
  #isReady = false;

  constructor(parts: ChatViewParts) {
    this.#parts = parts;
  }

  register(context: ExtensionContext): void {
    context.subscriptions.push(
      window.registerWebviewViewProvider("lectern.chat", this),
      this.#parts.scope.onDidChange(() => this.surroundingsChanged()),
      workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration("lectern.model")) this.surroundingsChanged();
      }),
    );
  }

  resolveWebviewView(
    view: WebviewView,
    _context: WebviewViewResolveContext,
    _token: CancellationToken,
  ): void {
    this.#view = view;
    this.#isReady = false;
    const { extensionUri } = this.#parts;
    view.webview.options = {
      enableScripts: true,
      localResourceRoots: [
        Uri.joinPath(extensionUri, "dist", "webview"),
        Uri.joinPath(extensionUri, "media"),
      ],
    };
    view.webview.onDidReceiveMessage((message: FromWebview) => this.#receive(message));
    view.onDidDispose(() => {
      if (this.#view === view) this.#view = undefined;
    });
    view.webview.html = chatPage(view.webview, extensionUri);
  }

  /** Bring the chat to the front with the cursor in its input. */
  async focus(): Promise<void> {
    await commands.executeCommand("lectern.chat.focus");
    this.#post({ type: "focus" });
  }

  /** Ask `question` about `subject`, in view. */
  async ask(question: string, subject: () => Subject): Promise<void> {
    await this.#attempt(() => this.#parts.conversation.ask(question, subject()));
  }

  async summarize(subject: () => Subject): Promise<void> {
    await commands.executeCommand("lectern.chat.focus");
    await this.#attempt(() => this.#parts.conversation.summarize(subject()));
  }

  // ConversationListener: what happens in the conversation is told to the page.
  reset(): void {
    this.#answeringChanged();
    this.#post({
      type: "state",
      turns: this.#parts.conversation.turns,
      surroundings: this.#surroundings(),
      strings: { ...l10n.bundle },
    });
  }

  turn(turn: ChatTurn): void {
    this.#answeringChanged();
    this.#post({ type: "turn", turn });
  }

  token(turnId: string, text: string): void {
    this.#post({ type: "token", turnId, text });
  }

  progress(turnId: string, progress: NonNullable<ChatTurn["progress"]>): void {
    this.#post({ type: "progress", turnId, progress });
  }

  /** Scope, model, trust or engine state changed. */
  surroundingsChanged(): void {
    this.#post({ type: "surroundings", surroundings: this.#surroundings() });
  }

  async #receive(message: FromWebview): Promise<void> {
    const { conversation, scope } = this.#parts;
    switch (message.type) {
      case "ready":
        this.#isReady = true;
        return this.reset();
      case "ask":
        return this.ask(message.question, () => scope.subject());
      case "stop":
        return conversation.stop();
      case "newChat":
        return conversation.newChat();
      case "retry":
        return this.#attempt(() =>
          conversation.retry(message.turnId, (turn) => scope.subjectOf(turn)),
        );
      case "copy":
        return this.#copy(message.turnId);
      case "openCitation":
        return this.#open(message.turnId, message.index);
      case "action":
        if (Object.hasOwn(ACTIONS, message.action)) {
          await commands.executeCommand(...ACTIONS[message.action]);
        }
        return;
      default:
        return message satisfies never;
    }
  }

  async #copy(turnId: string): Promise<void> {
    const turn = this.#turn(turnId);
    if (turn) await env.clipboard.writeText(answerText(turn));
  }

  async #open(turnId: string, index: number): Promise<void> {
    const citation = this.#turn(turnId)?.citations[index];
    if (!citation) return;
    try {
      const isFound = await openCitation(citation);
      if (!isFound && citation.verified) await this.#checkAgain(turnId, index);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      window.showWarningMessage(l10n.t("{0} cannot be opened: {1}", citation.label, reason));
    }
  }

  /** An editor shows no quote: markup may hide it, or the file has changed since it was checked. */
  async #checkAgain(turnId: string, index: number): Promise<void> {
    const { conversation, engine } = this.#parts;
    const { path, label, quote } = this.#turn(turnId)?.citations[index] ?? {};
    if (path === undefined || quote === undefined) return;
    const { documents } = await engine.request("read", { paths: [path] });
    if (documents.some(({ text }) => locateQuote(text, quote))) return;
    await conversation.unverify(turnId, index);
    const message = l10n.t(
      "{0} has changed: the quoted words no longer stand in it.",
      label ?? path,
    );
    window.showWarningMessage(message);
  }

  /** Run `work`; a question that cannot be asked as things are is explained with a button that helps. */
  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof CannotAskError)) throw error;
      await explain(error);
    }
  }

  #turn(id: string): ChatTurn | undefined {
    return this.#parts.conversation.turns.find((turn) => turn.id === id);
  }

  #surroundings(): ChatSurroundings {
    const { scope, engine } = this.#parts;
    return {
      scope: { kind: scope.kind, label: scope.label },
      hasScope: scope.hasAny,
      isTrusted: workspace.isTrusted,
      model: modelLabel(),
      engine: engine.status,
      suggestions:
        scope.kind === "workspace"
          ? [
              l10n.t("What is this project for?"),
              l10n.t("How is it started?"),
              l10n.t("Under which licence is it?"),
            ]
          : [l10n.t("What is this file about?"), l10n.t("What does it need?")],
    };
  }

  #answeringChanged(): void {
    void commands.executeCommand(
      "setContext",
      "lectern.isAnswering",
      this.#parts.conversation.isAnswering,
    );
  }

  #post(message: ToWebview): void {
    if (this.#isReady) void this.#view?.webview.postMessage(message);
  }
}
