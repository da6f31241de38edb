// The input at the bottom: a text box that grows, what the question is about, the model, and send or stop.

import { html, LitElement } from "lit";
import type { ChatSurroundings } from "../protocol.ts";
import { loadDraft, saveDraft, send, t } from "./host.ts";

export class Composer extends LitElement {
  static override properties = {
    surroundings: { attribute: false },
    isAnswering: { attribute: false },
    lastQuestion: { attribute: false },
    draft: { state: true },
  };
  declare surroundings: ChatSurroundings;
  declare isAnswering: boolean;
  declare lastQuestion: string;
  declare draft: string;

  constructor() {
    super();
    this.draft = loadDraft();
    this.isAnswering = false;
    this.lastQuestion = "";
  }

  /** Styled by the page's style sheet, so no shadow. */
  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Put the cursor into the input. */
  focusInput(): void {
    this.querySelector("textarea")?.focus();
  }

  override render() {
    const { scope, model, hasScope, isTrusted } = this.surroundings;
    const icon = scope.kind === "workspace" ? "folder" : "file";
    return html`<form class="composer" @submit=${this.#submit}>
      <textarea
        rows="1"
        .value=${this.draft}
        ?disabled=${!isTrusted}
        placeholder=${hasScope ? t("Ask about {0}", scope.label) : t("Choose what to ask about")}
        aria-label=${t("Question")}
        @input=${this.#input}
        @keydown=${this.#keydown}
      ></textarea>
      <div class="composer-bar">
        <button type="button" class="pick" title=${t("What the question is about")} @click=${() => send({ type: "action", action: "chooseScope" })}>
          <span class="codicon codicon-${icon}" aria-hidden="true"></span><span class="pick-label">${scope.label}</span><span class="codicon codicon-chevron-down" aria-hidden="true"></span>
        </button>
        <button type="button" class="pick" title=${t("Model")} @click=${() => send({ type: "action", action: "chooseModel" })}>
          <span class="codicon codicon-chip" aria-hidden="true"></span><span class="pick-label">${model}</span><span class="codicon codicon-chevron-down" aria-hidden="true"></span>
        </button>
        <span class="space"></span>
        ${this.#button()}
      </div>
    </form>`;
  }

  /** One button throughout, never disabled to the browser: the keyboard's focus would be lost with it. */
  #button() {
    const [icon, label, hint] = this.isAnswering
      ? ["debug-stop", t("Stop"), t("Stop (Escape)")]
      : ["arrow-up", t("Ask"), t("Ask (Enter)")];
    const isDisabled = !this.isAnswering && !this.#canAsk;
    return html`<button type="submit" class="send ${this.isAnswering ? "stop" : ""}" aria-disabled=${isDisabled} title=${hint} aria-label=${label}>
      <span class="codicon codicon-${icon}" aria-hidden="true"></span>
    </button>`;
  }

  get #canAsk(): boolean {
    const { hasScope, isTrusted } = this.surroundings;
    return hasScope && isTrusted && this.draft.trim() !== "";
  }

  #input(event: Event): void {
    if (!(event.target instanceof HTMLTextAreaElement)) return;
    this.draft = event.target.value;
    saveDraft(this.draft);
  }

  #keydown(event: KeyboardEvent): void {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#ask();
    } else if (event.key === "ArrowUp" && this.draft === "" && this.lastQuestion !== "") {
      event.preventDefault();
      this.draft = this.lastQuestion;
    }
  }

  /** By the button; Enter in the input only asks. */
  #submit(event: Event): void {
    event.preventDefault();
    if (this.isAnswering) {
      send({ type: "stop" });
      this.focusInput();
    } else this.#ask();
  }

  #ask(): void {
    if (this.isAnswering || !this.#canAsk) return;
    send({ type: "ask", question: this.draft.trim() });
    this.draft = "";
    saveDraft("");
    this.focusInput();
  }
}

customElements.define("lectern-composer", Composer);
