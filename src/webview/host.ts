// The webview's way to the extension host: typed messages out, translations in, a draft that survives a reload.

import type { FromWebview } from "../protocol.ts";

/** What the page keeps for itself; the transcript is the host's. */
export interface PageState {
  readonly draft: string;
}

const api = acquireVsCodeApi<PageState>();
const translations = new Map<string, string>();

/** Send `message` to the extension host. */
export function send(message: FromWebview): void {
  api.postMessage(message);
}

export function loadDraft(): string {
  return api.getState()?.draft ?? "";
}

export function saveDraft(draft: string): void {
  api.setState({ draft });
}

export function setTranslations(strings: Readonly<Record<string, string>>): void {
  for (const [english, local] of Object.entries(strings)) translations.set(english, local);
}

/** `english` in the user's language, with {0}, {1} … replaced. */
export function t(english: string, ...values: (string | number)[]): string {
  const text = translations.get(english) ?? english;
  return text.replace(/\{(\d)\}/g, (_, index: string) => String(values[Number(index)] ?? ""));
}
