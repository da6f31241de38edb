// What the engine returned, as the chat shows it: paths as the workspace names them, sections as citations.

import type { Answer, ChatCitation, ChatTurn, Citation, Coverage, Summary } from "../protocol.ts";

/** How the workspace names a path. */
export type Label = (path: string) => string;

/** The end of a question's turn; `streamed` is what was shown so far. */
export function answered(answer: Answer, streamed: string, label: Label): Partial<ChatTurn> {
  const { found, citations, coverage, stats, notes = [], partial } = answer;
  return {
    state: partial ? "stopped" : "done",
    // A stopped answer may come back shorter than what was already shown.
    answer: partial && streamed.length > answer.answer.length ? streamed : answer.answer,
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
  const parts = sections.map(
    (section, index) => `**${section.title}** [${index + 1}]\n\n${section.summary}`,
  );
  return {
    state: partial ? "stopped" : "done",
    answer: [summary, ...parts].filter((part) => part !== "").join("\n\n"),
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

function labelled(citation: Citation, label: Label): ChatCitation {
  return { ...citation, label: label(citation.path) };
}

function labelledCoverage(coverage: Coverage, label: Label): Coverage {
  const skipped = coverage.skipped.map(({ path, reason }) => ({ path: label(path), reason }));
  return { ...coverage, skipped };
}
