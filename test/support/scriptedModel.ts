// A language model that answers from a script, one token per character: for tests of what surrounds a model.

import { StoppedError } from "../../src/engine/errors.ts";
import type { LanguageModel } from "../../src/engine/languageModel.ts";
import type { Tokenizer } from "../../src/engine/tokenizer/tokenizer.ts";
import type { RunStats } from "../../src/protocol.ts";

export interface Script {
  /** The reply to a prompt's text. */
  readonly reply: (prompt: string) => string;
  /** Default `reader`. */
  readonly promptFormat?: string;
  readonly contextLength?: number;
  /** −ln p of every token of a reply, default 0.01. */
  readonly nll?: number;
  /** ln p of a token that the reply does not say, default −12. */
  readonly unsaid?: number;
  /** Throw this behind so many characters of a reply. */
  readonly breakOff?: { readonly after: number; readonly error: Error };
  readonly chatTemplate?: string;
}

/** Where the reader's answer begins. */
const ANSWER = "\nAnswer:";
/** A model that follows `script`; `prompts` collects the prompts it was given. */
export function scriptedModel(script: Script): LanguageModel & { readonly prompts: string[] } {
  const prompts: string[] = [];
  const contextLength = script.contextLength ?? 100_000;
  const model: LanguageModel & { readonly prompts: string[] } = {
    prompts,
    name: "scripted",
    architecture: "none",
    tokenizer: characterTokenizer,
    metadata: new Map<string, unknown>([
      ["lectern.prompt_format", script.promptFormat ?? "reader"],
      ...(script.chatTemplate ? [["tokenizer.chat_template", script.chatTemplate] as const] : []),
    ]),
    trainedContextLength: contextLength,
    contextLength,
    async *generate({ prompt, maxTokens = 1000, stop = [], signal }) {
      const text = characterTokenizer.decode(prompt);
      prompts.push(text);
      let generated = 0;
      for (const character of script.reply(text)) {
        if (signal?.aborted) throw new StoppedError();
        if (generated === script.breakOff?.after) throw script.breakOff.error;
        if (generated === maxTokens || stop.includes(character)) break;
        generated++;
        yield { token: character.codePointAt(0) ?? 0, text: character };
      }
      return stats(prompt.length, generated);
    },
    // As sure of the script as `nll` says, and of nothing else.
    logProbabilities: async (tokens, wanted) => {
      const text = characterTokenizer.decode(tokens);
      const answerStart = text.lastIndexOf(ANSWER) + ANSWER.length;
      const reply = script.reply(text.slice(0, answerStart));
      return wanted.map((candidates, row) => {
        const written = text.slice(answerStart, text.length - wanted.length + 1 + row);
        const next = reply.startsWith(written) ? reply.codePointAt(written.length) : undefined;
        return candidates.map((token) =>
          token === next ? -(script.nll ?? 0.01) : (script.unsaid ?? -12),
        );
      });
    },
    scoreTokens: async (tokens) => new Float32Array(tokens.length - 1).fill(script.nll ?? 0.01),
    branchLogProbabilities: (prompt, branches, options) =>
      Promise.all(
        branches.map(({ tokens, wanted }) =>
          model.logProbabilities([...prompt, ...tokens], wanted, options),
        ),
      ),
    cacheStats: () => stats(0, 0).cache,
    dispose: () => {},
  };
  return model;
}

/** One token per code point. */
export const characterTokenizer: Tokenizer = {
  vocabSize: 0x110000,
  bosToken: undefined,
  endTokens: new Set(),
  addsBos: false,
  encode: (text) => Array.from(text, (character) => character.codePointAt(0) ?? 0),
  encodeSegments: (segments) =>
    characterTokenizer.encode(segments.map(({ text }) => text).join("")),
  decode: (tokens) => Array.from(tokens, (token) => String.fromCodePoint(token)).join(""),
  tokenBytes: (token) => new TextEncoder().encode(String.fromCodePoint(token)),
  tokenId: () => undefined,
  stream: () => ({ push: (token) => String.fromCodePoint(token), flush: () => "" }),
};

function stats(promptTokens: number, generatedTokens: number): RunStats {
  return {
    model: "scripted",
    adapter: "none",
    promptTokens,
    generatedTokens,
    prefillMs: 10,
    decodeMs: 10,
    prefillTokensPerSecond: promptTokens * 100,
    decodeTokensPerSecond: generatedTokens * 100,
    timeToFirstTokenMs: 11,
    gpuBytes: {},
    cache: {
      policy: "full",
      typeK: "f16",
      typeV: "f16",
      tokensRead: 0,
      tokensKept: 0,
      bytes: 0,
      bytesPerToken: 0,
    },
  };
}
