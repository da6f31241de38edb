// An answer's text as safe HTML: Markdown by markdown-it without HTML, then DOMPurify with a short list of what may remain;
// words of documents as they stand. Chips that lead to citations are put behind it: no text, whatever it says, makes one.

import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

/** What a chip needs to know of its citation. */
export interface ChipCitation {
  readonly label: string;
  readonly startLine: number;
  readonly endLine: number;
  /** Undefined where there is no quote to verify: a section of a summary. */
  readonly verified?: boolean | undefined;
}

/** A citation and the number its chip bears, counted from 1. */
export interface Chip {
  readonly number: number;
  readonly citation: ChipCitation;
}

const ALLOWED = {
  ALLOWED_TAGS: [
    ...["p", "br", "strong", "em", "s", "code", "pre", "blockquote", "hr", "ul", "ol", "li", "a"],
    ...["h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"],
  ],
  ALLOWED_ATTR: ["href", "title", "class", "start"],
  ALLOWED_URI_REGEXP: /^https?:/i,
  // DOMPurify holds every other attribute's value against the pattern of URIs.
  ADD_URI_SAFE_ATTR: ["start"],
  ALLOW_DATA_ATTR: false,
};

/** Pictures are left out: nothing an answer says may make the page fetch something. */
const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true }).disable("image");

/** Safe HTML of Markdown, with chips at its end. */
export function renderMarkdown(text: string, chips: readonly Chip[] = []): string {
  const html = DOMPurify.sanitize(markdown.render(text), ALLOWED);
  // Code that is too wide scrolls by keyboard as well.
  return withChips(html.replaceAll("<pre>", '<pre tabindex="0">'), chips);
}

/** Safe HTML of text that is shown as it stands, with chips at its end. */
export function renderPlain(text: string, chips: readonly Chip[] = []): string {
  const paragraphs = text.split(/\n{2,}/).filter((paragraph) => paragraph !== "");
  const html = paragraphs.map((paragraph) => `<p class="plain">${escapeHtml(paragraph)}</p>`);
  return withChips(html.join(""), chips);
}

/** A button with `data-citation`, counted from 0. */
export function renderChip({ number, citation }: Chip): string {
  const { label, startLine, endLine, verified } = citation;
  const status = verified ? ", quote found" : ", no quote found";
  const place = escapeHtml(
    `${label}, ${lines(startLine, endLine)}${verified === undefined ? "" : status}`,
  );
  const kind = verified === undefined ? "section" : verified ? "verified" : "unverified";
  const attributes = `class="chip ${kind}" data-citation="${number - 1}" title="${place}"`;
  return `<button type="button" ${attributes} aria-label="Source ${number}: ${place}">${number}</button>`;
}

/** "line 12" or "lines 12–14". */
export function lines(startLine: number, endLine: number): string {
  return startLine === endLine ? `line ${startLine}` : `lines ${startLine}–${endLine}`;
}

// In the last paragraph where the text ends with one, else below it.
function withChips(html: string, chips: readonly Chip[]): string {
  if (chips.length === 0) return html;
  const buttons = chips.map(renderChip).join(" ");
  const end = /<\/p>\s*$/.exec(html);
  return end ? `${html.slice(0, end.index)} ${buttons}</p>` : `${html}<p>${buttons}</p>`;
}

function escapeHtml(text: string): string {
  return markdown.utils.escapeHtml(text);
}
