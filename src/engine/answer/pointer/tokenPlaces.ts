// Where the tokens of a prompt stand in a text that it holds.

import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { Span } from "../verify.ts";

export interface TokenPlaces {
  /** Index of the first token in which a character of the text begins. */
  readonly first: number;
  /** Characters of the text that begin in it and in each token behind it, up to the text's end; a character's later bytes are none. */
  readonly places: readonly Span[];
}

/** Undefined where the bytes of the text are not among those of the tokens. */
export function placeTokens(
  tokenizer: Tokenizer,
  tokens: readonly number[],
  text: string,
): TokenPlaces | undefined {
  const pieces = tokens.map((token) =>
    token === tokenizer.bosToken ? new Uint8Array() : tokenizer.tokenBytes(token),
  );
  const bytes = Buffer.from(text);
  const begin = Buffer.concat(pieces).indexOf(bytes);
  if (begin < 0 || bytes.length === 0) return undefined;
  const before = charactersBefore(bytes);
  const places: Span[] = [];
  let first = -1;
  let end = -begin;
  for (const [index, piece] of pieces.entries()) {
    const start = end;
    end += piece.length;
    if (start >= bytes.length) break;
    const place = {
      start: before[Math.max(0, start)] ?? 0,
      end: before[Math.min(Math.max(0, end), bytes.length)] ?? 0,
    };
    if (first < 0 && place.end === 0) continue;
    if (first < 0) first = index;
    places.push(place);
  }
  return { first, places };
}

/** UTF-16 units of the characters that begin in front of each byte, and of all [bytes + 1]. */
function charactersBefore(bytes: Uint8Array): Uint32Array {
  const before = new Uint32Array(bytes.length + 1);
  for (const [i, byte] of bytes.entries())
    before[i + 1] = before[i]! + ((byte & 0xc0) === 0x80 ? 0 : byte >= 0xf0 ? 2 : 1);
  return before;
}
