// The embedded model's format: numbered passages, the question, and `Answer:`; it answers with a span copied from a passage and
// the passage's number. Earlier turns are left out, since it was trained on single questions.

import type { Passage } from "../../../protocol.ts";
import { fitPassages } from "./fitPassages.ts";
import { parseAnswer } from "./parseAnswer.ts";
import type { PromptFormat } from "./promptFormat.ts";

/** What the model goes on from. */
const CUE = "Answer:";

export const reader: PromptFormat = {
  id: "reader",
  stop: ["\n"],
  build: async ({ tokenizer }, { question, passages, maxTokens }) => {
    const line = question.replaceAll(/\s+/g, " ").trim();
    return fitPassages({
      passages,
      maxTokens,
      measure: (passage) => tokenizer.encode(block(passage, 1)).length,
      build: (chosen) =>
        tokenizer.encode(
          // No space behind the colon: it belongs to the answer's first token.
          `${chosen.map((passage, i) => block(passage, i + 1)).join("")}Question: ${line}\n${CUE}`,
          { addSpecial: true },
        ),
    });
  },
  parse: parseAnswer,
  answerTokens: (tokenizer, answer) =>
    tokenizer.encode(`${CUE} ${answer}`).slice(tokenizer.encode(CUE).length),
  instruct: undefined,
};

function block({ path, startLine, endLine, text }: Passage, number: number): string {
  return `[${number}] ${path}:${startLine}-${endLine}\n${text.trimEnd()}\n\n`;
}
