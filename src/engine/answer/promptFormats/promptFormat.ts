// What a prompt format does: puts passages and a question into a model's words, and reads the answer back.

import type { Passage } from "../../../protocol.ts";
import type { LanguageModel } from "../../languageModel.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

/** The parts of a model a prompt depends on. */
export type PromptModel = Pick<LanguageModel, "tokenizer" | "metadata">;

export interface Turn {
  readonly question: string;
  readonly answer: string;
}

export interface PromptRequest {
  readonly question: string;
  /** In document order; they are numbered from 1 in this order. */
  readonly passages: readonly Passage[];
  /** Earlier turns, oldest first. */
  readonly history: readonly Turn[];
  /** Tokens the prompt may take; leave room for the answer. */
  readonly maxTokens: number;
}

export interface Prompt {
  readonly tokens: readonly number[];
  /** The passages that fitted, in the prompt's order: citation n is passages[n − 1]. The last lines of one may be cut off. */
  readonly passages: readonly Passage[];
}

export interface ParsedAnswer {
  /** The answer without reasoning and citation marks. */
  readonly text: string;
  /** Numbers of the passages it cites, in order, each once. May name passages that do not exist. */
  readonly cited: readonly number[];
  /** What the model says it quotes, with the passage it cites for it, if any. */
  readonly quotes: readonly { readonly text: string; readonly passage: number | undefined }[];
  /** The model says that the passages do not hold the answer. */
  readonly refused: boolean;
}

export interface PromptFormat {
  readonly id: string;
  /** Strings at which decoding ends, besides the model's end tokens. */
  readonly stop: readonly string[];
  /** The prompt for a question. Throws UserError when not even the question fits. */
  build(model: PromptModel, request: PromptRequest): Promise<Prompt>;
  parse(answer: string): ParsedAnswer;
  /** The tokens of an answer behind its prompt, for formats whose answers are spans of a passage and its number. */
  readonly answerTokens?: (tokenizer: Tokenizer, answer: string) => number[];
  /** The prompt for any other task on a text (summaries); undefined: the model was not trained to follow instructions. */
  readonly instruct:
    | ((model: PromptModel, instruction: string, text: string) => Promise<readonly number[]>)
    | undefined;
}
