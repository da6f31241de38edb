// A summary of everything under a path: each section in parts, the parts merged, the sections merged. A model that cannot
// follow instructions gives an extractive summary, and the result says so.

import type { Coverage, RunStats, SummarizeParams, Summary } from "../../protocol.ts";
import { sourceLineAt } from "../documents/document.ts";
import { readDocuments } from "../documents/readDocuments.ts";
import { StoppedError } from "../errors.ts";
import type { LanguageModel } from "../languageModel.ts";
import { Breather, ProgressMeter } from "../progress.ts";
import type { AnswerTools } from "./answerQuestion.ts";
import { chooseDiverse, type Extracted, extractSentences } from "./extractSentences.ts";
import { passageText } from "./passages.ts";
import { choosePromptFormat } from "./promptFormats/index.ts";
import { sumStats } from "./runModel.ts";
import { samplingOf } from "./sampling.ts";
import type { Watch } from "./searchPassages.ts";
import { type Section, splitSections } from "./sections.ts";
import { Summarizer } from "./summarizer.ts";
import { Terms } from "./terms.ts";

const SENTENCES_PER_SECTION = 2;
const SENTENCES_IN_SUMMARY = 6;

interface Draft {
  readonly summary: string;
  readonly method: Summary["method"];
  readonly sections: readonly SectionSummary[];
  readonly stats?: RunStats;
  readonly partial?: boolean;
}

type SectionSummary = Summary["sections"][number];

/**
 * Summarise a file, or all files of a folder. Throws UserError where there is nothing to read. A model's summary that is
 * stopped, or loses its engine, keeps the sections that are done and is marked `partial`.
 */
export async function summarizeDocument(
  params: SummarizeParams,
  tools: AnswerTools,
  watch: Watch,
): Promise<Summary> {
  const { documents, skipped } = await readDocuments([params.path], {
    ...watch,
    ...(params.unsaved && { unsaved: params.unsaved }),
    library: tools.shelf.library,
  });
  const isOne = documents.length === 1;
  const sections = documents
    .flatMap(splitSections)
    .map((section) => (isOne ? section : { ...section, title: titleIn(section) }));
  const canSummarize = tools.model && choosePromptFormat(tools.model.metadata).instruct;
  const draft =
    tools.model && canSummarize
      ? await summarizeWith(tools.model, sections, params, watch)
      : await extract(sections, watch);
  const signal = draft.partial ? undefined : watch.signal;
  const tokensTotal = await tools.shelf.countTokens(documents, tools.tokenizer, signal);
  const coverage: Coverage = {
    tokensTotal,
    tokensSearched: tokensTotal,
    tokensInCache: 0,
    tokensReread: draft.method === "model" ? tokensTotal : 0,
    skipped,
  };
  return { ...draft, coverage };
}

async function extract(sections: readonly Section[], watch: Watch): Promise<Draft> {
  const meter = new ProgressMeter(watch.observer, "summarize", "parts");
  const tools = { terms: new Terms(), breather: new Breather(watch.signal) };
  const summaries: SectionSummary[] = [];
  const candidates: (Extracted & { readonly order: number })[] = [];
  for (const [i, section] of sections.entries()) {
    const sentences = await extractSentences(passageText(section), SENTENCES_PER_SECTION, tools);
    // A section without a sentence, such as a table, is shown by its beginning.
    const text = sentences.map((sentence) => sentence.text).join(" ") || beginning(section);
    summaries.push(summaryOf(section, text));
    for (const sentence of sentences) candidates.push({ ...sentence, order: i });
    meter.report(i + 1, sections.length, section.title);
  }
  const chosen = chooseDiverse(candidates, SENTENCES_IN_SUMMARY).sort((a, b) => a.order - b.order);
  const summary =
    chosen.map((sentence) => sentence.text).join(" ") || (summaries[0]?.summary ?? "");
  watch.observer?.token?.(summary);
  return { summary, method: "extractive", sections: summaries };
}

async function summarizeWith(
  model: LanguageModel,
  sections: readonly Section[],
  params: SummarizeParams,
  watch: Watch,
): Promise<Draft> {
  const summarizer = new Summarizer(model, samplingOf(params), watch);
  const meter = new ProgressMeter(watch.observer, "summarize", "parts");
  const summaries: SectionSummary[] = [];
  const done = (summary: string, isPartial: boolean): Draft => {
    const stats = sumStats(summarizer.stats);
    const partial = isPartial && { partial: true };
    return { summary, method: "model", sections: summaries, ...(stats && { stats }), ...partial };
  };
  try {
    for (const [i, section] of sections.entries()) {
      summaries.push(summaryOf(section, await summarizer.summarize(passageText(section))));
      meter.report(i + 1, sections.length, section.title);
    }
    const texts = summaries.map(({ title, summary }) => `${title}\n${summary}`);
    const whole =
      sections.length === 1
        ? (summaries[0]?.summary ?? "")
        : await summarizer.merge(texts, (text) => watch.observer?.token?.(text));
    return done(whole, false);
  } catch (error) {
    const isEarly = summaries.length === 0 || !(error instanceof Error);
    if (isEarly || !(error instanceof StoppedError || watch.signal?.aborted)) throw error;
    return done(summaries.map(({ summary }) => summary).join("\n\n"), true);
  }
}

function summaryOf(section: Section, summary: string): SectionSummary {
  const { document, start, end, title } = section;
  const last = start + document.text.slice(start, end).trimEnd().length - 1;
  return {
    title,
    summary,
    startLine: sourceLineAt(document, start),
    endLine: sourceLineAt(document, Math.max(start, last)),
  };
}

function titleIn({ document, title }: Section): string {
  return title === document.label ? title : `${document.label}: ${title}`;
}

function beginning(section: Section): string {
  return passageText(section).replace(/\s+/g, " ").trim().slice(0, 200);
}
