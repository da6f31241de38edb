// The page: transcript above, composer below. Holds what the host has told it; the host keeps the truth.

import { html, LitElement, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import type { ChatAction, ChatSurroundings, ChatTurn, ToWebview } from "../protocol.ts";
import { Composer } from "./composer.ts";
import { send, setTranslations, t } from "./host.ts";
import { Sentences } from "./sentences.ts";
import { turnView } from "./turn.ts";

/** Closer to the end than this, in pixels, and the page follows the answer. */
const NEAR_END = 48;

export class Chat extends LitElement {
  static override properties = {
    turns: { state: true },
    surroundings: { state: true },
    announcement: { state: true },
  };
  declare turns: readonly ChatTurn[];
  declare surroundings: ChatSurroundings | undefined;
  declare announcement: string;
  readonly #sentences = new Sentences();
  #followsEnd = true;
  /** What had the focus before the page is drawn anew. */
  #focused: Element | undefined;

  constructor() {
    super();
    this.turns = [];
    this.surroundings = undefined;
    this.announcement = "";
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("message", (event: MessageEvent<ToWebview>) =>
      this.#receive(event.data),
    );
    window.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#isAnswering) send({ type: "stop" });
    });
    send({ type: "ready" });
  }

  override render() {
    if (!this.surroundings) return nothing;
    const lastQuestion = this.turns.findLast(({ kind }) => kind === "ask")?.question ?? "";
    return html`
      <main class="transcript" role="log" aria-live="off" aria-label=${t("Chat")} tabindex="-1" @scroll=${this.#scrolled}>
        ${
          this.turns.length === 0
            ? this.#emptyView(this.surroundings)
            : repeat(
                this.turns,
                ({ id }) => id,
                // Turns are never changed in place: the others need no second look.
                (turn) => guard([turn], () => turnView(turn)),
              )
        }
      </main>
      <div class="visually-hidden" role="status" aria-live="polite">${this.announcement}</div>
      <lectern-composer
        .surroundings=${this.surroundings}
        .isAnswering=${this.#isAnswering}
        .lastQuestion=${lastQuestion}
      ></lectern-composer>
    `;
  }

  override willUpdate(): void {
    const { activeElement } = document;
    this.#focused = activeElement && this.contains(activeElement) ? activeElement : undefined;
  }

  override updated(): void {
    // A button that vanishes with what it led to, such as a suggestion, leaves the focus to the input.
    if (this.#focused && !this.#focused.isConnected && document.hasFocus()) {
      this.#composer()?.focusInput();
    }
    this.#focused = undefined;
    const transcript = this.querySelector(".transcript");
    if (transcript && this.#followsEnd) transcript.scrollTop = transcript.scrollHeight;
  }

  get #isAnswering(): boolean {
    return this.turns.some(({ state }) => state === "running" || state === "stopping");
  }

  #receive(message: ToWebview): void {
    switch (message.type) {
      case "state":
        setTranslations(message.strings);
        this.turns = message.turns;
        this.surroundings = message.surroundings;
        this.#followsEnd = true;
        return;
      case "surroundings":
        this.surroundings = message.surroundings;
        return;
      case "turn":
        this.#turnChanged(message.turn);
        return;
      case "token":
        this.#change(message.turnId, (turn) => ({ ...turn, answer: turn.answer + message.text }));
        this.announcement = this.#sentences.add(message.text) ?? this.announcement;
        return;
      case "progress":
        this.#change(message.turnId, (turn) => ({ ...turn, progress: message.progress }));
        return;
      case "focus":
        void this.updateComplete.then(() => this.#composer()?.focusInput());
        return;
      default:
        message satisfies never;
    }
  }

  #turnChanged(turn: ChatTurn): void {
    const isKnown = this.turns.some(({ id }) => id === turn.id);
    if (isKnown) this.#change(turn.id, () => turn);
    else {
      this.turns = [...this.turns, turn];
      this.#followsEnd = true;
    }
    if (turn.state === "running" || turn.state === "stopping") return;
    const ends = { done: t("Answer complete."), stopped: t("Stopped."), failed: t("Failed.") };
    const rest = this.#sentences.rest() || turn.answer;
    const sources = turn.citations.filter(({ verified }) => verified).length;
    const found = sources > 0 ? t("{0} quotes found in the text.", sources) : "";
    this.announcement = `${rest} ${turn.error?.message ?? ends[turn.state]} ${found}`.trim();
  }

  #change(turnId: string, change: (turn: ChatTurn) => ChatTurn): void {
    this.turns = this.turns.map((turn) => (turn.id === turnId ? change(turn) : turn));
  }

  #composer(): Composer | undefined {
    const composer = this.querySelector("lectern-composer");
    return composer instanceof Composer ? composer : undefined;
  }

  #scrolled(event: Event): void {
    if (!(event.target instanceof Element)) return;
    const { scrollTop, scrollHeight, clientHeight } = event.target;
    this.#followsEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  #emptyView({ isTrusted, hasScope, scope, suggestions }: ChatSurroundings): TemplateResult {
    if (!isTrusted) {
      return welcome(
        "workspace-untrusted",
        t("This workspace is not trusted"),
        t("Lectern reads nothing and runs nothing here until you trust it."),
        actionButton("manageTrust", t("Manage Workspace Trust")),
      );
    }
    if (!hasScope) {
      return welcome(
        "book",
        t("Nothing to read yet"),
        t("Open a folder, or choose a file or book to ask about."),
        html`${actionButton("openFolder", t("Open Folder"))} ${actionButton("chooseScope", t("Choose a File"), true)}`,
      );
    }
    return welcome(
      "book",
      t("Ask {0}", scope.label),
      t(
        "Answers come from your own files, with quotes checked word for word. Nothing leaves this machine.",
      ),
      html`<ul class="suggestions">
        ${suggestions.map(
          (
            question,
          ) => html`<li><button type="button" @click=${() => send({ type: "ask", question })}>
            <span>${question}</span><span class="codicon codicon-arrow-right" aria-hidden="true"></span>
          </button></li>`,
        )}
      </ul>`,
    );
  }
}

function welcome(icon: string, title: string, text: string, below: unknown): TemplateResult {
  return html`<section class="welcome">
    <span class="codicon codicon-${icon}" aria-hidden="true"></span>
    <h2>${title}</h2>
    <p>${text}</p>
    ${below}
  </section>`;
}

function actionButton(action: ChatAction, label: string, isSecondary = false): TemplateResult {
  return html`<vscode-button ?secondary=${isSecondary} @click=${() => send({ type: "action", action })}>${label}</vscode-button>`;
}

customElements.define("lectern-chat", Chat);
