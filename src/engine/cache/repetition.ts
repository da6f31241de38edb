// What a model is asked to repeat (KVzip, arXiv:2505.23416): the text piece by piece, each behind a request that says where it
// begins. The requests are the paper's.

import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** The requests in front of a repeated piece, and how long a piece may be. */
export interface Repetition {
  readonly tokensAtOnce: number;
  /** In front of the text's beginning. */
  readonly first: readonly number[];
  /** In front of any other piece; the last tokens before the piece follow. */
  readonly later: readonly number[];
}

/** A piece that is repeated: slots `first` to `end` of the cache, and the tokens to read behind it. */
export interface RepeatedPiece {
  readonly first: number;
  readonly end: number;
  readonly tokens: readonly number[];
}

const FIRST_REQUEST = "\n\nRepeat the previous context exactly.";
const LATER_REQUEST = "\n\nRepeat the part of the previous context exactly, starting with";
const TOKENS_BEFORE = 8;
const BEHIND_REQUEST = "\n";

export function createRepetition(
  tokenizer: Pick<Tokenizer, "encode">,
  tokensAtOnce: number,
): Repetition {
  const encode = (text: string): number[] => tokenizer.encode(text);
  return {
    tokensAtOnce,
    first: encode(FIRST_REQUEST + BEHIND_REQUEST),
    later: encode(LATER_REQUEST),
  };
}

/** Slots that the longest repeated piece takes with its request. */
export function repeatSlots({ tokensAtOnce, first, later }: Repetition): number {
  return tokensAtOnce + Math.max(first.length, later.length + TOKENS_BEFORE);
}

/** The pieces that repeat the last tokens, those in the slots from `first` on; `tokens` are all that were read. */
export function repeatedPieces(
  repetition: Repetition,
  tokens: Uint32Array,
  { first, end }: { readonly first: number; readonly end: number },
): RepeatedPiece[] {
  const pieces: RepeatedPiece[] = [];
  for (let slot = first; slot < end; slot += repetition.tokensAtOnce) {
    const pieceEnd = Math.min(slot + repetition.tokensAtOnce, end);
    const token = tokens.length - (end - slot);
    const request =
      token === 0
        ? repetition.first
        : [...repetition.later, ...tokens.slice(Math.max(0, token - TOKENS_BEFORE), token)];
    const repeated = tokens.slice(token, token + pieceEnd - slot);
    pieces.push({ first: slot, end: pieceEnd, tokens: [...request, ...repeated] });
  }
  return pieces;
}
