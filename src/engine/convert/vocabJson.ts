// vocab.json + merges.txt (and tokenizer_config.json beside them) as a byte-level BPE vocabulary of GGUF.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import type { WritableValue } from "../model/ggufWriter.ts";
import { readBounded } from "./readBounded.ts";

const MAX_BYTES = 64 * 2 ** 20;
const MAX_TOKENS = 2 ** 22;
const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;

/** Pre-tokenizers by `tokenizer_class`, where a class has only one. */
const preTokenizersByClass: Readonly<Record<string, string>> = {
  Qwen2Tokenizer: "qwen2",
  Qwen2TokenizerFast: "qwen2",
  GPT2Tokenizer: "gpt-2",
  GPT2TokenizerFast: "gpt-2",
};

interface TokenizerConfig {
  readonly className: string | undefined;
  readonly added: ReadonlyMap<number, { readonly content: string; readonly isSpecial: boolean }>;
  readonly bos: string | undefined;
  readonly eos: string | undefined;
  readonly addsBos: boolean;
  readonly chatTemplate: string | undefined;
}

/**
 * The metadata of a vocabulary-only GGUF from a vocab.json with merges.txt beside it. `pre` overrides the
 * pre-tokenizer that tokenizer_config.json implies. Throws UserError when a file is missing or not what it should be.
 */
export async function readVocabJson(
  path: string,
  pre: string | undefined,
): Promise<Map<string, WritableValue>> {
  const folder = dirname(path);
  const config = await readConfig(join(folder, "tokenizer_config.json"));
  const preTokenizer = pre ?? preTokenizersByClass[config.className ?? ""];
  if (preTokenizer === undefined)
    throw new UserError(
      `${folder} does not say which pre-tokenizer it needs (tokenizer_class is ${config.className ?? "absent"}): name it with --pre (for example gpt-2 or qwen2).`,
    );
  const { tokens, types } = joinTokens(await readVocabulary(path), config, path);
  const merges = await readMerges(join(folder, "merges.txt"));
  const metadata = new Map<string, WritableValue>([
    ["general.architecture", { type: "string", value: architectureOf(preTokenizer) }],
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: preTokenizer }],
    ["tokenizer.ggml.tokens", { type: "strings", value: tokens }],
    ["tokenizer.ggml.token_type", { type: "i32s", value: types }],
    ["tokenizer.ggml.merges", { type: "strings", value: merges }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: config.addsBos }],
  ]);
  for (const [name, content] of [
    ["bos", config.bos],
    ["eos", config.eos],
  ] as const) {
    const id = content === undefined ? -1 : tokens.indexOf(content);
    if (id >= 0) metadata.set(`tokenizer.ggml.${name}_token_id`, { type: "u32", value: id });
  }
  if (config.chatTemplate !== undefined)
    metadata.set("tokenizer.chat_template", { type: "string", value: config.chatTemplate });
  return metadata;
}

/** A vocabulary has no architecture of its own; loaders want a name they know. */
function architectureOf(preTokenizer: string): string {
  return preTokenizer === "qwen2" ? "qwen2" : preTokenizer === "gpt-2" ? "gpt2" : "llama";
}

async function readVocabulary(path: string): Promise<ReadonlyMap<number, string>> {
  const vocabulary = new Map<number, string>();
  for (const [token, id] of Object.entries(await readObject(path))) {
    if (
      typeof id !== "number" ||
      !Number.isInteger(id) ||
      id < 0 ||
      id >= MAX_TOKENS ||
      vocabulary.has(id)
    )
      throw new UserError(
        `${path} gives the token ${JSON.stringify(token)} the id ${JSON.stringify(id)}: ids are whole numbers, each used once.`,
      );
    vocabulary.set(id, token);
  }
  return vocabulary;
}

/** Vocabulary and added tokens by id; ids that neither uses become unused tokens. */
function joinTokens(
  vocabulary: ReadonlyMap<number, string>,
  { added }: TokenizerConfig,
  path: string,
): { tokens: string[]; types: number[] } {
  let numTokens = 0;
  for (const id of [...vocabulary.keys(), ...added.keys()]) numTokens = Math.max(numTokens, id + 1);
  if (numTokens === 0) throw new UserError(`${path} holds no tokens: is it the right file?`);
  const tokens: string[] = [];
  const types: number[] = [];
  for (let id = 0; id < numTokens; id++) {
    const extra = added.get(id);
    const token = extra?.content ?? vocabulary.get(id);
    tokens.push(token ?? `[UNUSED${id}]`);
    types.push(
      token === undefined ? UNUSED : extra ? (extra.isSpecial ? CONTROL : USER_DEFINED) : NORMAL,
    );
  }
  return { tokens, types };
}

async function readMerges(path: string): Promise<string[]> {
  const lines = (await readBounded(path, MAX_BYTES)).toString("utf8").split(/\r?\n/);
  const merges = lines.filter(
    (line, i) => line !== "" && !(i === 0 && line.startsWith("#version")),
  );
  const bad = merges.find((merge) => !/^\S+ \S+$/.test(merge));
  if (bad !== undefined)
    throw new UserError(
      `${path} holds the line ${JSON.stringify(bad.slice(0, 60))}: a merge is two tokens with a space between them.`,
    );
  return merges;
}

async function readConfig(path: string): Promise<TokenizerConfig> {
  const object = existsSync(path) ? await readObject(path) : {};
  const added = new Map<number, { content: string; isSpecial: boolean }>();
  for (const [id, token] of Object.entries(asObject(object.added_tokens_decoder))) {
    const { content, special } = asObject(token);
    if (typeof content === "string" && Number(id) < MAX_TOKENS)
      added.set(Number(id), { content, isSpecial: special === true });
  }
  const text = (value: unknown): string | undefined => {
    const content = typeof value === "string" ? value : asObject(value).content;
    return typeof content === "string" ? content : undefined;
  };
  return {
    className: text(object.tokenizer_class),
    added,
    bos: text(object.bos_token),
    eos: text(object.eos_token),
    addsBos: object.add_bos_token === true,
    chatTemplate: text(object.chat_template),
  };
}

async function readObject(path: string): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readBounded(path, MAX_BYTES);
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return asObject(value);
  } catch {
    // Falls through to the one message for both: not JSON, or not an object.
  }
  throw new UserError(`${path} is not a JSON object: is it the right file?`);
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  // Checked to be an object, whose properties are unknown until each is checked.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
