// The prompt that shows a model at least one passage, within what it can read at once.

import type { Passage } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import { NoRoomError } from "./promptFormats/fitPassages.ts";
import type { Prompt } from "./promptFormats/promptFormat.ts";
import type { ReadingRequest } from "./reading.ts";

type Asked = Pick<ReadingRequest, "model" | "format" | "question" | "history">;

export interface Shown {
  readonly passages: readonly Passage[];
  /** Tokens that the answer may take behind the prompt. */
  readonly answerTokens: number;
  /** Tokens that the prompt may take; absent: all that the answer leaves. */
  readonly maxTokens?: number;
}

/** Tokens that an answer leaves for the prompt; none where it takes all the model reads at once. */
export function promptRoom({ model }: Pick<Asked, "model">, answerTokens: number): number {
  return Math.max(0, lengthOf(model) - answerTokens);
}

/** Build the prompt. Throws NoRoomError where no passage fits: an answer would be about a text that the model never saw. */
export async function showPassages(request: Asked, shown: Shown): Promise<Prompt> {
  const { model, format, question, history } = request;
  const { passages, answerTokens, maxTokens = promptRoom(request, answerTokens) } = shown;
  const build = (of: readonly Passage[], most: number) =>
    format.build(model, { question, history, passages: of, maxTokens: most });
  const prompt = await build(passages, maxTokens).catch((error: unknown) => {
    if (!(error instanceof NoRoomError)) throw error;
  });
  const [best] = [...passages].sort((a, b) => b.score - a.score);
  // A search that found nothing leaves the question alone.
  if (prompt && (prompt.passages.length > 0 || !best)) return prompt;
  if (!best) throw new UserError("The question does not fit the context: ask a shorter one.");
  const { tokens } = await build([best], Number.MAX_SAFE_INTEGER);
  const needed = tokens.length + answerTokens;
  const canGrow = model.contextLength < Math.min(needed, model.trainedContextLength);
  throw new NoRoomError(
    `No passage fits the context of ${lengthOf(model)} tokens: the question, the best passage and an answer take ${needed}; ${canGrow ? `raise the context length to ${needed}` : "ask a shorter question or choose a model with a longer context"}.`,
  );
}

/** Tokens that the model reads at once as it was trained to. */
function lengthOf({ contextLength, trainedContextLength }: Asked["model"]): number {
  return Math.min(contextLength, trainedContextLength);
}
