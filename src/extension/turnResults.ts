// What the engine returned, as the chat shows it: paths as the workspace names them, sections as citations. And a turn as text.

import type { Answer, ChatCitation, ChatTurn, Citation, Coverage, Summary } from "../protocol.ts";

/** How the workspace names a path. */
export type Label = (path: string) => string;

export type Translate = (message: string) => string;

/** The end of a question's turn; `streamed` is what was shown so far. */
export function answered(answer: Answer, streamed: string, label: Label): Partial<ChatTurn> {
  const { found, markdown, citations, coverage, stats, notes = [], partial } = answer;
  return {
    state: partial ? "stopped" : "done",
    // A stopped answer may come back shorter than what was already shown.
    answer: partial && streamed.length > answer.answer.length ? streamed : answer.answer,
    isPlain: !markdown,
    found,
    citations: citations.map((citation) => labelled(citation, label)),
    coverage: labelledCoverage(coverage, label),
    notes,
    ...(stats ? { stats } : {}),
  };
}

/** The end of a summary's turn: sections are numbered and lead to their lines. */
export function summarized(result: Summary, path: string, label: Label): Partial<ChatTurn> {
  const { summary, method, coverage, stats, partial } = result;
  // A single section's summary is the whole one.
  const sections = result.sections.length > 1 ? result.sections : [];
  const citations = sections.map(({ title, startLine, endLine }) =>
    labelled({ path, startLine, endLine, quote: title, verified: false, origin: "passage" }, label),
  );
  return {
    state: partial ? "stopped" : "done",
    answer: summary,
    isPlain: method === "extractive",
    sections: sections.map((section) => ({ title: section.title, summary: section.summary })),
    found: true,
    citations,
    coverage: labelledCoverage(coverage, label),
    notes:
      method === "extractive"
        ? ["This model cannot summarise: the sentences were picked from the text as they stand."]
        : [],
    ...(stats ? { stats } : {}),
  };
}

/** The whole answer as text; a summary's sections bear the numbers of their citations. */
export function answerText({ answer, sections = [] }: ChatTurn): string {
  const parts = sections.map(({ title, summary }, i) => `${title} [${i + 1}]\n\n${summary}`);
  return [answer, ...parts].filter((part) => part !== "").join("\n\n");
}

/** The turn's citations as text. Sections of a summary quote nothing, so there is nothing to be found. */
export function sourceTexts({ kind, citations }: ChatTurn, t: Translate): string[] {
  return citations.map(({ label, startLine, endLine, quote, verified }, index) => {
    const found = ` (${verified ? t("quote found") : t("no quote found")})`;
    const place = `${label}:${startLine}-${endLine}${kind === "summarize" ? "" : found}`;
    return `[${index + 1}] ${place}\n    ${quote}`;
  });
}

function labelled(citation: Citation, label: Label): ChatCitation {
  return { ...citation, label: label(citation.path) };
}

function labelledCoverage(coverage: Coverage, label: Label): Coverage {
  const skipped = coverage.skipped.map(({ path, reason }) => ({ path: label(path), reason }));
  return { ...coverage, skipped };
}
