// One turn of the chat: the question, the answer as it streams, its sources, its receipt.

import { html, nothing, type TemplateResult } from "lit";
import { unsafeHTML } from "lit/directives/unsafe-html.js";
import type { ChatCitation, ChatTurn } from "../protocol.ts";
import { send, t } from "./host.ts";
import { type Chip, lines, renderChip, renderMarkdown, renderPlain } from "./markdown.ts";
import { isMeasured, progressText } from "./progressText.ts";
import { receipt } from "./receipt.ts";

/** Numbers put behind an answer. */
const MAX_NUMBERS = 3;

export function turnView(turn: ChatTurn): TemplateResult {
  const isRunning = turn.state === "running" || turn.state === "stopping";
  return html`<article class="turn" data-state=${turn.state} data-turn=${turn.id}>
    ${questionView(turn)}
    <div class="answer" aria-busy=${isRunning}>
      ${isEmpty(turn) || isNotFound(turn) ? nothing : answerView(turn)}
      ${isRunning ? progressView(turn) : nothing}
      ${endView(turn)}
      ${isRunning ? nothing : sourcesView(turn)}
      ${turn.notes.map((note) => html`<p class="note"><span class="codicon codicon-info" aria-hidden="true"></span>${note}</p>`)}
      ${turn.coverage ? receipt(turn.coverage) : nothing}
      ${isRunning ? nothing : actionsView(turn)}
    </div>
  </article>`;
}

/** Nothing is said yet, or was when it ended. */
function isEmpty({ answer, sections = [] }: ChatTurn): boolean {
  return answer === "" && sections.length === 0;
}

function questionView({ kind, question, scope }: ChatTurn): TemplateResult {
  const text = kind === "summarize" ? t("Summarize {0}", question) : question;
  return html`<div class="question">
    <h3 class="bubble">${text}</h3>
    ${
      kind === "summarize"
        ? nothing
        : html`<span class="scope"><span class="codicon codicon-files" aria-hidden="true"></span>${scope}</span>`
    }
  </div>`;
}

function answerView(turn: ChatTurn): TemplateResult {
  const open = (event: Event) => {
    const chip = event.target instanceof Element ? event.target.closest("[data-citation]") : null;
    const index = Number(chip?.getAttribute("data-citation") ?? Number.NaN);
    if (Number.isInteger(index)) send({ type: "openCitation", turnId: turn.id, index });
  };
  const isShort =
    turn.state === "done" &&
    turn.kind === "ask" &&
    turn.answer.length < 80 &&
    !turn.answer.includes("\n");
  const render = turn.isPlain ? renderPlain : renderMarkdown;
  return html`<div class="markdown ${isShort ? "short" : ""}" @click=${open}>
    ${turn.answer === "" ? nothing : unsafeHTML(render(turn.answer, answerChips(turn)))}
    ${(turn.sections ?? []).map(
      ({ title, summary }, index) => html`<h4>${title} ${unsafeHTML(sectionChip(turn, index))}</h4>
        ${unsafeHTML(render(summary))}`,
    )}
  </div>`;
}

/** The numbers of what an answer quotes. */
function answerChips({ kind, citations }: ChatTurn): readonly Chip[] {
  if (kind !== "ask") return [];
  const chips = citations.map((citation, index) => ({ number: index + 1, citation }));
  return chips.filter(({ citation }) => citation.origin === "answer").slice(0, MAX_NUMBERS);
}

/** Sections of a summary quote nothing, so there is nothing to verify. */
function sectionChip({ citations }: ChatTurn, index: number): string {
  const citation = citations[index];
  if (!citation) return "";
  return renderChip({ number: index + 1, citation: { ...citation, verified: undefined } });
}

function progressView({ state, progress }: ChatTurn): TemplateResult {
  const text =
    state === "stopping"
      ? t("Stopping")
      : progress
        ? progressText(progress, t)
        : t("Waiting for the engine");
  const hasShare = progress !== undefined && isMeasured(progress) && state === "running";
  return html`<div class="progress">
    <span class="progress-text"><span class="codicon codicon-loading codicon-modifier-spin" aria-hidden="true"></span>${text}</span>
    <vscode-progress-bar
      ?indeterminate=${!hasShare}
      .value=${hasShare ? (100 * progress.done) / progress.total : 0}
      aria-label=${text}
    ></vscode-progress-bar>
  </div>`;
}

/** The answer then is a sentence that says so, not an answer. */
function isNotFound({ state, found }: ChatTurn): boolean {
  return state === "done" && found === false;
}

/** How the answer ended, when it did not simply end. */
function endView(turn: ChatTurn): TemplateResult | typeof nothing {
  const { state, answer, error } = turn;
  if (state === "stopped") {
    return html`<p class="end stopped">
      <span class="codicon codicon-debug-stop" aria-hidden="true"></span>
      ${isEmpty(turn) ? t("Stopped.") : t("Stopped: the answer is partial.")}
    </p>`;
  }
  if (isNotFound(turn)) {
    return html`<p class="end not-found">
      <span class="codicon codicon-search-stop" aria-hidden="true"></span>
      ${answer}
    </p>`;
  }
  if (state !== "failed" || !error) return nothing;
  const { message, action } = error;
  return html`<div class="end failed" role="alert">
    <span class="codicon codicon-error" aria-hidden="true"></span>
    <div>
      ${answer === "" ? nothing : html`<strong class="partial">${t("Partial answer.")}</strong>`}
      ${message}
      <div class="buttons">
        <vscode-button @click=${() => send({ type: "retry", turnId: turn.id })}>${t("Ask Again")}</vscode-button>
        ${
          action
            ? html`<vscode-button secondary @click=${() => send({ type: "action", action })}>${t(ACTION_LABELS[action])}</vscode-button>`
            : nothing
        }
      </div>
    </div>
  </div>`;
}

const ACTION_LABELS = {
  chooseScope: "Choose What to Ask About",
  chooseModel: "Choose Model",
  showHistory: "Show Earlier Chats",
  showCacheStats: "Show Cache Stats",
  showLog: "Show Log",
  restartEngine: "Restart Engine",
  openFolder: "Open Folder",
  openSettings: "Open Settings",
  manageTrust: "Manage Trust",
} as const;

function sourcesView(turn: ChatTurn): TemplateResult | typeof nothing {
  if (turn.citations.length === 0) return nothing;
  const numbered = turn.citations.map((citation, index) => ({ citation, index }));
  const answers = numbered.filter(({ citation }) => citation.origin === "answer");
  const passages = numbered.filter(({ citation }) => citation.origin === "passage");
  const cards = (list: typeof numbered) =>
    html`<ol class="sources">${list.map(({ citation, index }) => (turn.kind === "ask" ? sourceView(turn.id, citation, index) : sectionView(turn.id, citation, index)))}</ol>`;
  if (answers.length === 0) {
    const title = turn.kind === "summarize" ? t("Sections") : t("Passages shown to the model");
    return html`<details class="passages" ?open=${turn.kind === "ask"}><summary><span class="codicon codicon-chevron-right" aria-hidden="true"></span>${title} (${passages.length})</summary>${cards(passages)}</details>`;
  }
  return html`${cards(answers)}
    ${
      passages.length > 0
        ? html`<details class="passages"><summary><span class="codicon codicon-chevron-right" aria-hidden="true"></span>${t("Passages shown to the model")} (${passages.length})</summary>${cards(passages)}</details>`
        : nothing
    }`;
}

function sourceView(turnId: string, citation: ChatCitation, index: number): TemplateResult {
  const { label, startLine, endLine, page, quote, verified, origin } = citation;
  const slash = label.lastIndexOf("/") + 1;
  const place = page === undefined ? lines(startLine, endLine) : `${t("page")} ${page}`;
  const [status, hint] = verified
    ? [t("Quote found"), t("These words stand in the cited lines.")]
    : origin === "passage"
      ? [t("Passage"), t("These lines were read; the answer was not checked against them.")]
      : [t("Quote not found"), t("The answer's words do not stand in the cited lines.")];
  return html`<li>
    <button
      type="button"
      class="source ${verified ? "verified" : "unverified"}"
      data-citation-card=${index}
      title=${hint}
      @click=${() => send({ type: "openCitation", turnId, index })}
    >
      <span class="source-head">
        <span class="number">${index + 1}</span>
        <span class="file">${label.slice(slash)}</span>
        <span class="folder"><bdi>${label.slice(0, Math.max(0, slash - 1))}</bdi></span>
        <span class="place">${place}</span>
        <span class="status"><span class="codicon codicon-${verified ? "pass-filled" : "circle-large-outline"}" aria-hidden="true"></span><span class="status-text">${status}</span></span>
      </span>
      ${quote.trim() === "" ? nothing : html`<q class="quote">${quote.trim()}</q>`}
    </button>
  </li>`;
}

function sectionView(
  turnId: string,
  { label, startLine, endLine, quote }: ChatCitation,
  index: number,
) {
  return html`<li>
    <button type="button" class="source section" title=${label} @click=${() => send({ type: "openCitation", turnId, index })}>
      <span class="source-head">
        <span class="number">${index + 1}</span>
        <span class="file">${quote}</span>
        <span class="place">${lines(startLine, endLine)}</span>
      </span>
    </button>
  </li>`;
}

function actionsView(turn: ChatTurn): TemplateResult {
  const { id, stats } = turn;
  const speed = stats
    ? `${stats.decodeTokensPerSecond.toFixed(0)} ${t("tokens/s")} · ${shortTime(stats.timeToFirstTokenMs)}`
    : "";
  const hint = stats
    ? t("{0} on {1}: speed, and time to the first token", stats.model, stats.adapter)
    : t("Show cache stats");
  return html`<div class="actions">
    ${
      isEmpty(turn)
        ? nothing
        : html`<vscode-toolbar-button icon="copy" label=${t("Copy answer")} title=${t("Copy answer")} @click=${() => send({ type: "copy", turnId: id })}></vscode-toolbar-button>`
    }
    <vscode-toolbar-button icon="refresh" label=${t("Ask again")} title=${t("Ask again")} @click=${() => send({ type: "retry", turnId: id })}></vscode-toolbar-button>
    <button type="button" class="stats" title=${hint} @click=${() => send({ type: "action", action: "showCacheStats" })}>${speed}</button>
  </div>`;
}

function shortTime(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
