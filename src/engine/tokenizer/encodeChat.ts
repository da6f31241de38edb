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
 * refuses or skips goes in front of the first user message. Throws UserError when the template fails.
 */
export async function encodeChat(
  tokenizer: Tokenizer,
  metadata: ReadonlyMap<string, unknown>,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): Promise<number[]> {
  const encode = await prepareChat(tokenizer, metadata, messages, options);
  return encode(messages);
}

/** As encodeChat, for several conversations: renders the template once and encodes any messages with the same roles. */
export async function prepareChat(
  tokenizer: Tokenizer,
  metadata: ReadonlyMap<string, unknown>,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): Promise<(messages: readonly ChatMessage[]) => number[]> {
  const template = metadata.get("tokenizer.chat_template");
  const toSegments =
    typeof template === "string"
      ? await renderConversation(template, templateValues(tokenizer, metadata, options), messages)
      : (spoken: readonly ChatMessage[]) => plainSegments(spoken, options);
  return (spoken) => {
    const tokens = tokenizer.encodeSegments(toSegments(spoken));
    if (tokenizer.addsBos && tokenizer.bosToken !== undefined && tokens[0] !== tokenizer.bosToken)
      tokens.unshift(tokenizer.bosToken);
    return tokens;
  };
}

type ToSegments = (messages: readonly ChatMessage[]) => TextSegment[];
type Rewrite = (messages: readonly ChatMessage[]) => readonly ChatMessage[];

async function renderConversation(
  template: string,
  values: Readonly<Record<string, unknown>>,
  messages: readonly ChatMessage[],
): Promise<ToSegments> {
  const asTheyAre: Rewrite = (spoken) => spoken;
  const rewrites = canMergeSystem(messages) ? [asTheyAre, mergeSystem] : [asTheyAre];
  const toSegments =
    (await renderFirst(template, values, { messages, rewrites })) ??
    // Some templates skip the system message without a word.
    (await renderFirst(template, values, { messages, rewrites: rewrites.slice(1) }));
  if (toSegments !== undefined) return toSegments;
  throw new UserError(
    "The model's chat template leaves out what was asked; choose another model or another conversion of it.",
  );
}

/** Renders the first rewriting of the messages that the template accepts; undefined if it leaves out what was asked. */
async function renderFirst(
  template: string,
  values: Readonly<Record<string, unknown>>,
  { messages, rewrites }: { messages: readonly ChatMessage[]; rewrites: readonly Rewrite[] },
): Promise<ToSegments | undefined> {
  if (rewrites.length === 0) return undefined;
  const nonce = randomBytes(8).toString("hex");
  // Templates for tools may insist on a list of them; others write about tools whenever there is a list.
  const variants = rewrites.flatMap((rewrite) =>
    [null, []].map((tools) => ({
      ...values,
      tools,
      messages: withStandIns(rewrite(messages), nonce),
    })),
  );
  const { text, variant } = await renderChatTemplate({ template, variants });
  const rewrite = rewrites[Math.floor(variant / 2)] ?? mergeSystem;

  const parts = text.split(new RegExp(`TEXT-${nonce}-(\\d+)-END`));
  const shown = new Set(parts.filter((_, i) => i % 2 === 1).map(Number));
  // Templates may drop earlier answers, never what is asked.
  if (rewrite(messages).some(({ role }, i) => role !== "assistant" && !shown.has(i)))
    return undefined;
  return (spoken) => {
    const rewritten = rewrite(spoken);
    return parts.map((part, i) =>
      i % 2 === 0
        ? { text: part, parseSpecial: true }
        : { text: rewritten[Number(part)]?.content.trim() ?? "", parseSpecial: false },
    );
  };
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

function canMergeSystem(messages: readonly ChatMessage[]): boolean {
  return messages[0]?.role === "system" && messages.some(({ role }) => role === "user");
}

/** The messages with the system message moved into the first user message. */
function mergeSystem([system, ...rest]: readonly ChatMessage[]): ChatMessage[] {
  const first = rest.findIndex(({ role }) => role === "user");
  return rest.map((message, index) =>
    index === first
      ? { role: "user", content: `${system?.content}\n\n${message.content}` }
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
