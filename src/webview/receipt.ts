// The coverage receipt under an answer: what was read, what was searched, and what was left out and why.

import { html, nothing, type TemplateResult } from "lit";
import type { Coverage } from "../protocol.ts";
import { t } from "./host.ts";
import { count } from "./progressText.ts";

/** Skipped files named in full; more of them only make the page long. */
const MAX_SKIPPED = 100;

export function receipt(coverage: Coverage): TemplateResult {
  const { tokensTotal, tokensSearched, tokensInCache, tokensReread, skipped } = coverage;
  const share = tokensTotal > 0 ? Math.min(1, tokensSearched / tokensTotal) : 0;
  const rows: [string, number][] = [
    [t("Tokens in all files read"), tokensTotal],
    [t("Searched"), tokensSearched],
    [t("Held in the cache"), tokensInCache],
    [t("Read again, word for word"), tokensReread],
  ];
  const summary = [
    t("Searched {0} of {1} tokens", count(tokensSearched), count(tokensTotal)),
    ...(tokensReread > 0 ? [t("read {0} again", count(tokensReread))] : []),
    ...(skipped.length > 0 ? [t("skipped {0}", skipped.length)] : []),
  ].join(" · ");
  return html`<details class="receipt">
    <summary>
      <span class="codicon codicon-chevron-right" aria-hidden="true"></span>
      <span class="codicon codicon-checklist" aria-hidden="true"></span>
      <span>${summary}</span>
    </summary>
    <div class="receipt-body">
      <meter min="0" max="1" .value=${share} aria-label=${t("Share of the text that was searched")}></meter>
      <dl>${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value.toLocaleString("en-US")}</dd>`)}</dl>
      ${skipped.length > 0 ? skippedList(skipped) : nothing}
    </div>
  </details>`;
}

function skippedList(skipped: Coverage["skipped"]): TemplateResult {
  const more = skipped.length - MAX_SKIPPED;
  return html`<h4>${t("Skipped")}</h4>
    <ul class="skipped">
      ${skipped
        .slice(0, MAX_SKIPPED)
        .map(
          ({ path, reason }) =>
            html`<li><span class="path">${path}</span> <span class="reason">${reason}</span></li>`,
        )}
      ${more > 0 ? html`<li class="reason">${t("and {0} more", more)}</li>` : nothing}
    </ul>`;
}
