// Any instruction-tuned model, through its own chat template: instructions, numbered passages, the question last.

import type { Passage } from "../../../protocol.ts";
import { type ChatMessage, encodeChat, prepareChat } from "../../tokenizer/encodeChat.ts";
import { withoutReasoning } from "../reasoning.ts";
import { fitPassages } from "./fitPassages.ts";
import { parseAnswer, REFUSAL } from "./parseAnswer.ts";
import type { PromptFormat, Turn } from "./promptFormat.ts";

const INSTRUCTIONS = [
  "You answer questions about a text. You see numbered passages of it; use nothing else.",
  "Answer briefly. Support each statement with the exact words of a passage in double quotation marks, followed by the",
  'number of that passage in brackets, like this: "exact words" [2].',
  `If the passages do not hold the answer, write only: ${REFUSAL}`,
].join(" ");

/** Earlier turns that are repeated to the model; older ones rarely matter and take the room of passages. */
const NUM_TURNS = 4;

export const chat: PromptFormat = {
  id: "chat",
  stop: [],
  build: async ({ tokenizer, metadata }, { question, passages, history, maxTokens }) => {
    const messages = (chosen: readonly Passage[]): ChatMessage[] => [
      { role: "system", content: INSTRUCTIONS },
      ...history.slice(-NUM_TURNS).flatMap(messagesOf),
      { role: "user", content: `${chosen.map(block).join("")}Question: ${question.trim()}` },
    ];
    const encode = await prepareChat(tokenizer, metadata, messages([]));
    return fitPassages({
      passages,
      maxTokens,
      measure: (passage) => tokenizer.encode(block(passage, 0)).length,
      build: (chosen) => encode(messages(chosen)),
    });
  },
  parse: (answer) => parseAnswer(withoutReasoning(answer)),
  instruct: ({ tokenizer, metadata }, instruction, text) =>
    encodeChat(tokenizer, metadata, [
      { role: "user", content: `${text.trimEnd()}\n\n${instruction}` },
    ]),
};

function messagesOf({ question, answer }: Turn): ChatMessage[] {
  return [
    { role: "user", content: question },
    { role: "assistant", content: withoutReasoning(answer) },
  ];
}

function block({ path, startLine, endLine, text }: Passage, index: number): string {
  return `[${index + 1}] ${path}:${startLine}-${endLine}\n${text.trimEnd()}\n\n`;
}
