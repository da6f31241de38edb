// The prompt formats. To add one: write its file and add its line.

import { UserError } from "../../errors.ts";
import { chat } from "./chat.ts";
import type { PromptFormat } from "./promptFormat.ts";
import { reader } from "./reader.ts";

export const PROMPT_FORMATS: readonly PromptFormat[] = [chat, reader];

/** The format a model was trained on: its GGUF key `lectern.prompt_format`, else `chat`. Throws UserError for an unknown one. */
export function choosePromptFormat(metadata: ReadonlyMap<string, unknown>): PromptFormat {
  const id = metadata.get("lectern.prompt_format") ?? chat.id;
  const format = PROMPT_FORMATS.find((candidate) => candidate.id === id);
  if (format !== undefined) return format;
  throw new UserError(
    `The model's prompt format "${String(id)}" (lectern.prompt_format) is unknown; known are ${PROMPT_FORMATS.map((known) => known.id).join(", ")}. Update Lectern or choose another model.`,
  );
}
