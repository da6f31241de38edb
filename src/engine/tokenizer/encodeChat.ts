// Turns a conversation into the tokens a chat model was trained on. What users and documents wrote is kept out of the template's
// hands: the template sees stand-ins, and the real text is encoded in their place without ever becoming a special token.

import { randomBytes } from "node:crypto";
import { UserError } from "../errors.ts";
import { renderChatTemplate } from "./chatTemplate.ts";
import type { TextSegment, Tokenizer } from "./tokenizer.ts";

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface ChatOptions {
  /** End with the opening of the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
}

/**
 * Tokens of `messages` in the model's chat template, BOS included where the model wants it. A system message that the template
 * refuses or drops goes in front of the first user message. Throws UserError when the template fails.
 */
export async function encodeChat(
  tokenizer: Tokenizer,
  metadata: ReadonlyMap<string, unknown>,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): Promise<number[]> {
  const template = metadata.get("tokenizer.chat_template");
  const segments =
    typeof template === "string"
      ? await segmentsOf(template, templateValues(tokenizer, metadata, options), messages)
      : plainSegments(messages, options);
  const tokens = tokenizer.encodeSegments(segments);
  if (tokenizer.addsBos && tokenizer.bosToken !== undefined && tokens[0] !== tokenizer.bosToken)
    tokens.unshift(tokenizer.bosToken);
  return tokens;
}

async function segmentsOf(
  template: string,
  values: Readonly<Record<string, unknown>>,
  messages: readonly ChatMessage[],
): Promise<TextSegment[]> {
  const merged = mergeSystem(messages);
  const conversations = merged === undefined ? [messages] : [messages, merged];
  const found = await renderFirst(template, values, conversations);
  // Some templates skip the system message without a word.
  const segments =
    found === undefined && merged !== undefined
      ? await renderFirst(template, values, [merged])
      : found;
  if (segments !== undefined) return segments;
  throw new UserError(
    "The model's chat template leaves out what was asked; choose another model or another conversion of it.",
  );
}

/** The text of the first conversation the template accepts, cut at what users wrote; undefined if it leaves any of that out. */
async function renderFirst(
  template: string,
  values: Readonly<Record<string, unknown>>,
  conversations: readonly (readonly ChatMessage[])[],
): Promise<TextSegment[] | undefined> {
  const nonce = randomBytes(8).toString("hex");
  // Templates for tools may insist on a list of them; others write about tools whenever there is a list.
  const variants = conversations.flatMap((messages) =>
    [null, []].map((tools) => ({ ...values, tools, messages: withStandIns(messages, nonce) })),
  );
  const { text, variant } = await renderChatTemplate({ template, variants });
  const messages = conversations[Math.floor(variant / 2)] ?? [];

  const parts = text.split(new RegExp(`TEXT-${nonce}-(\\d+)-END`));
  const shown = new Set(parts.filter((_, i) => i % 2 === 1).map(Number));
  // Templates may drop earlier answers, never what is asked.
  if (messages.some(({ role }, index) => role !== "assistant" && !shown.has(index)))
    return undefined;
  return parts.map((part, i) =>
    i % 2 === 0
      ? { text: part, parseSpecial: true }
      : { text: messages[Number(part)]?.content.trim() ?? "", parseSpecial: false },
  );
}

/** Messages whose text is replaced by a name; templates trim, so the white space around it stays in their hands. */
function withStandIns(messages: readonly ChatMessage[], nonce: string): ChatMessage[] {
  return messages.map(({ role, content }, index) => {
    const start = content.length - content.trimStart().length;
    const end = start + content.trim().length;
    const standIn = `TEXT-${nonce}-${index}-END`;
    return { role, content: content.slice(0, start) + standIn + content.slice(end) };
  });
}

/** The messages with the system message moved into the first user message; undefined if there is none to move. */
function mergeSystem(messages: readonly ChatMessage[]): ChatMessage[] | undefined {
  const [system, ...rest] = messages;
  if (system?.role !== "system") return undefined;
  const first = rest.findIndex(({ role }) => role === "user");
  if (first < 0) return undefined;
  return rest.map((message, index) =>
    index === first
      ? { role: "user", content: `${system.content}\n\n${message.content}` }
      : message,
  );
}

function templateValues(
  tokenizer: Tokenizer,
  metadata: ReadonlyMap<string, unknown>,
  { addGenerationPrompt = true }: ChatOptions,
): Record<string, unknown> {
  return {
    add_generation_prompt: addGenerationPrompt,
    bos_token: writtenForm(tokenizer, metadata, "bos_token_id"),
    eos_token: writtenForm(tokenizer, metadata, "eos_token_id"),
    documents: null,
    // Reasoning models answer at once where their template offers it.
    enable_thinking: false,
  };
}

function writtenForm(
  tokenizer: Tokenizer,
  metadata: ReadonlyMap<string, unknown>,
  key: string,
): string {
  const token = metadata.get(`tokenizer.ggml.${key}`);
  if (typeof token !== "number") return "";
  return new TextDecoder().decode(tokenizer.tokenBytes(token));
}

/** For models without a template: turns in plain words. */
function plainSegments(
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true }: ChatOptions,
): TextSegment[] {
  const names = { system: "", user: "User: ", assistant: "Assistant: " };
  const text = messages.map(({ role, content }) => `${names[role]}${content.trim()}\n\n`).join("");
  return [{ text: text + (addGenerationPrompt ? "Assistant:" : ""), parseSpecial: false }];
}
