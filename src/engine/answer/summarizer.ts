// Map and reduce with a model that follows instructions: pieces that fit its context are summarised, then their summaries.

import type { RunStats, SamplingSettings } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import type { LanguageModel } from "../languageModel.ts";
import { choosePromptFormat } from "./promptFormats/index.ts";
import { withoutReasoning } from "./reasoning.ts";
import { runModel } from "./runModel.ts";
import type { Watch } from "./searchPassages.ts";
import { sentenceEnds } from "./sentences.ts";

const MAX_SUMMARY_TOKENS = 256;
/** Longer pieces are read less carefully by small models. */
const MAX_PIECE_TOKENS = 3072;
/** Tokens of the template and the instruction at most. */
const OVERHEAD_TOKENS = 160;
const SUMMARIZE =
  "Summarise the text above in two to four sentences. Use only what it says. Write the summary alone.";
const MERGE =
  "Above are summaries of the parts of one text, in order. Merge them into one summary of the whole in one or two paragraphs. Use only what they say. Write the summary alone.";

export class Summarizer {
  readonly #model: LanguageModel;
  readonly #sampling: SamplingSettings;
  readonly #watch: Watch;
  readonly stats: RunStats[] = [];

  constructor(model: LanguageModel, sampling: SamplingSettings, watch: Watch) {
    this.#model = model;
    this.#sampling = sampling;
    this.#watch = watch;
  }

  /** A summary of any length of text. */
  async summarize(text: string): Promise<string> {
    const pieces = this.#pieces(text);
    const summaries: string[] = [];
    for (const piece of pieces) summaries.push(await this.#run(SUMMARIZE, piece));
    return summaries.length === 1 ? (summaries[0] ?? "") : this.merge(summaries);
  }

  /** One summary of many; `onText` sees the last one as it is written. */
  async merge(summaries: readonly string[], onText?: (text: string) => void): Promise<string> {
    const pieces = this.#pieces(summaries.join("\n\n"));
    if (pieces.length === 1) return this.#run(MERGE, pieces[0] ?? "", onText);
    const merged: string[] = [];
    for (const piece of pieces) merged.push(await this.#run(MERGE, piece));
    // A context so small that a summary is no shorter than its piece would never come to an end.
    const isShrinking = merged.join().length < summaries.join().length;
    return isShrinking ? this.merge(merged, onText) : merged.join("\n\n");
  }

  async #run(instruction: string, text: string, onText?: (text: string) => void): Promise<string> {
    const format = choosePromptFormat(this.#model.metadata);
    if (!format.instruct) throw new UserError(`${this.#model.name} cannot follow instructions.`);
    const { observer, signal } = this.#watch;
    const run = await runModel(this.#model, {
      maxTokens: MAX_SUMMARY_TOKENS,
      ...this.#sampling,
      prompt: await format.instruct(this.#model, instruction, text),
      stop: [...format.stop, ...(this.#sampling.stop ?? [])],
      ...(observer && { observer }),
      ...(signal && { signal }),
      ...(onText && { onText }),
    });
    if (run.stats) this.stats.push(run.stats);
    if (run.interruption) throw run.interruption;
    return withoutReasoning(run.text);
  }

  /** Pieces of at most the budget, cut at sentence ends. */
  #pieces(text: string): string[] {
    const { tokenizer, contextLength, trainedContextLength } = this.#model;
    const answer = this.#sampling.maxTokens ?? MAX_SUMMARY_TOKENS;
    const room = Math.min(contextLength, trainedContextLength) - answer - OVERHEAD_TOKENS;
    const budget = Math.max(128, Math.min(room, MAX_PIECE_TOKENS));
    const pieces: string[] = [];
    let piece = "";
    let used = 0;
    for (const sentence of sentencesOf(text, budget)) {
      const tokens = tokenizer.encode(sentence).length;
      if (piece !== "" && used + tokens > budget) {
        pieces.push(piece);
        piece = "";
        used = 0;
      }
      piece += sentence;
      used += tokens;
    }
    return piece.trim() === "" && pieces.length > 0 ? pieces : [...pieces, piece];
  }
}

// Sentences with the white space before them; one of more characters than the budget has tokens is cut.
function sentencesOf(text: string, budget: number): string[] {
  const ends = sentenceEnds(text);
  return ends.flatMap((end, i) => {
    const sentence = text.slice(ends[i - 1] ?? 0, end);
    const pieces: string[] = [];
    for (let at = 0; at < sentence.length; at += budget)
      pieces.push(sentence.slice(at, at + budget));
    return pieces;
  });
}
