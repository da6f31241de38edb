// The loaded cache as a map over the documents: for each stretch of tokens how much of it is held, and where its text stands.

import type { CacheMap, CacheMapBin } from "../../protocol.ts";
import type { KeptTokens } from "../cache/keptTokens.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { passageText, placeOf, type TextPassage } from "./passages.ts";

export const MOST_BINS = 240;
/** Digits behind the point of a fraction; a picture shows no more. */
const DIGITS = 4;

export interface MappedReading {
  readonly document: string;
  readonly policy: string;
  readonly tokens: readonly number[];
  readonly passages: readonly TextPassage[];
}

/** The map of what `kept` says of a reading. */
export function keptMap(
  { document, policy, tokens, passages }: MappedReading,
  { edges, kept, attention }: KeptTokens,
  tokenizer: Tokenizer,
): CacheMap {
  const offsets = textOffsets(tokens, edges, tokenizer);
  const found = locate(offsets.text, passages);
  const bins = edges.slice(0, -1).map((firstToken, bin): CacheMapBin => {
    const numTokens = (edges[bin + 1] ?? firstToken) - firstToken;
    const mean = kept.reduce((sum, layer) => sum + (layer[bin] ?? 0), 0) / kept.length;
    const place = placeIn(found, offsets.at[bin] ?? 0, offsets.at[bin + 1] ?? 0);
    return { firstToken, numTokens, kept: rounded(mean), ...(place && { place }) };
  });
  return {
    ...{ document, policy, tokens: tokens.length, bins },
    keptByLayer: kept.map((layer) => [...layer].map(rounded)),
    ...(attention && { attentionByLayer: attention.map((layer) => [...layer].map(rounded)) }),
  };
}

/** The text behind the tokens, and where in it each edge (in ascending order) lies. */
export function textOffsets(
  tokens: readonly number[],
  edges: readonly number[],
  tokenizer: Tokenizer,
): { text: string; at: number[] } {
  const stream = tokenizer.stream();
  const pieces: string[] = [];
  const at: number[] = [];
  let length = 0;
  let edge = 0;
  for (const [index, token] of tokens.entries()) {
    if (edges[edge] === index) {
      at.push(length);
      edge++;
    }
    const piece = stream.push(token);
    pieces.push(piece);
    length += piece.length;
  }
  at.push(length);
  return { text: pieces.join(""), at };
}

/** A passage, and where in the prompt's text it begins. */
export interface Located {
  readonly passage: TextPassage;
  readonly start: number;
}

/** The passages stand in the prompt in their order, each word for word. */
export function locate(text: string, passages: readonly TextPassage[]): Located[] {
  let from = 0;
  return passages.flatMap((passage) => {
    const words = passageText(passage).trimEnd();
    const start = text.indexOf(words, from);
    if (start < 0) return [];
    from = start + words.length;
    return [{ passage, start }];
  });
}

/** Path and lines of what stands between two offsets of the prompt's text; of the first document, where there are several. */
function placeIn(located: readonly Located[], from: number, to: number): CacheMapBin["place"] {
  const parts = located.flatMap(({ passage, start }) => {
    const shift = passage.start - start;
    const [first, end] = [Math.max(from + shift, passage.start), Math.min(to + shift, passage.end)];
    return first < end ? [{ document: passage.document, start: first, end }] : [];
  });
  const [first] = parts;
  const last = parts.findLast(({ document }) => document === first?.document);
  if (!first || !last) return undefined;
  const { path, startLine } = placeOf(first);
  return { path, label: first.document.label, startLine, endLine: placeOf(last).endLine };
}

function rounded(value: number): number {
  return Number(value.toFixed(DIGITS));
}
