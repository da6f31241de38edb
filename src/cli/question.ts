// The one thing `ask` and `search` need besides paths.

import { UsageError } from "./command.ts";

/** The question, or a usage error when it is absent or blank. */
export function requireQuestion(question: string | undefined): string {
  if (question?.trim()) return question;
  throw new UsageError('-q "QUESTION" is missing.');
}
