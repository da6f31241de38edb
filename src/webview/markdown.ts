// An answer's Markdown as safe HTML: markdown-it without HTML, then DOMPurify with a short list of what may remain.
// "[3]" becomes a chip that leads to the third citation.

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

const ALLOWED = {
  ALLOWED_TAGS: [
    ...["p", "br", "strong", "em", "s", "code", "pre", "blockquote", "hr", "ul", "ol", "li", "a"],
    ...["h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "button"],
  ],
  ALLOWED_ATTR: ["href", "title", "class", "start", "data-citation", "aria-label", "type"],
  ALLOWED_URI_REGEXP: /^https?:/i,
  // DOMPurify holds every other attribute's value against the pattern of URIs.
  ADD_URI_SAFE_ATTR: ["data-citation", "start", "type", "aria-label"],
  ALLOW_DATA_ATTR: false,
};

/** Pictures are left out: nothing an answer says may make the page fetch something. */
const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true }).disable("image");

markdown.inline.ruler.before("link", "citation", (state, silent) => {
  const match = /^\[(\d{1,3})\]/.exec(state.src.slice(state.pos, state.pos + 5));
  const [text, digits] = match ?? [];
  if (text === undefined || digits === undefined) return false;
  // renderMarkdown put it there; markdown-it types its environment as unknown.
  const citations = state.env.citations as readonly ChipCitation[];
  const citation = citations[Number(digits) - 1];
  if (!citation) return false;
  if (!silent) state.push("citation", "button", 0).content = chip(Number(digits), citation);
  state.pos += text.length;
  return true;
});

markdown.renderer.rules.citation = (tokens, index) => tokens[index]?.content ?? "";

/** Safe HTML of `text`; numbers in brackets that have a citation become buttons with `data-citation`. */
export function renderMarkdown(text: string, citations: readonly ChipCitation[]): string {
  const html = DOMPurify.sanitize(markdown.render(text, { citations }), ALLOWED);
  return html.replaceAll("<pre>", '<pre tabindex="0">'); // code that is too wide scrolls by keyboard as well
}

/** "line 12" or "lines 12–14". */
export function lines(startLine: number, endLine: number): string {
  return startLine === endLine ? `line ${startLine}` : `lines ${startLine}–${endLine}`;
}

function chip(number: number, { label, startLine, endLine, verified }: ChipCitation): string {
  const status = verified ? ", quote found" : ", no quote found";
  const where = `${label}, ${lines(startLine, endLine)}${verified === undefined ? "" : status}`;
  const place = markdown.utils.escapeHtml(where);
  const kind = verified === undefined ? "section" : verified ? "verified" : "unverified";
  const attributes = `class="chip ${kind}" data-citation="${number - 1}" title="${place}"`;
  return `<button type="button" ${attributes} aria-label="Source ${number}: ${place}">${number}</button>`;
}
