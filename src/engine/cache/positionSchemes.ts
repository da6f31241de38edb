// Position schemes: which position a cached key and the query have. A slot is an index in the cache, a position is RoPE's.

import { UserError } from "../errors.ts";
import type { Position } from "../model/step.ts";

export interface PositionScheme {
  /** One sentence for settings and tables. */
  readonly description: string;
  /** Whether a key's position changes when tokens in front of it are evicted: keys are then cached before RoPE. */
  readonly movesKeys: boolean;
  /** Position of a token of the document that is put into `slot`. */
  position(token: number, slot: number): Position;
}

export const positionSchemes = {
  original: {
    description: "the token's place in the document",
    movesKeys: false,
    position: (token: number) => token,
  },
  "in-cache": {
    description: "the token's rank among those its head keeps (StreamingLLM)",
    movesKeys: true,
    position: (_token: number, slot: number) => slot,
  },
  "dual-chunk": {
    description:
      "the token's place in its chunk of the text; no distance is beyond training, whatever the length",
    movesKeys: false,
    position: (token: number) => token,
  },
} as const satisfies Record<string, PositionScheme>;

export type PositionSchemeId = keyof typeof positionSchemes;

/**
 * The scheme a setting names.
 * @throws UserError naming the known ones
 */
export function positionSchemeOf(setting: string): [PositionSchemeId, PositionScheme] {
  const found = Object.entries(positionSchemes).find(([known]) => known === setting);
  if (found === undefined) {
    throw new UserError(
      `There is no position scheme "${setting}": choose ${Object.keys(positionSchemes).join(" or ")}.`,
    );
  }
  // Registry keys are ids.
  return [found[0] as PositionSchemeId, found[1]];
}
