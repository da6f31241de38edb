// Chooses the passages that fit a prompt: the best-scored first, shown in document order.

import type { Passage } from "../../../protocol.ts";
import { UserError } from "../../errors.ts";
import type { Prompt } from "./promptFormat.ts";

/** Tokens a passage's heading and separators take at most beyond its own text; the final count is exact all the same. */
const BLOCK_OVERHEAD = 8;

export interface FitRequest {
  readonly passages: readonly Passage[];
  readonly maxTokens: number;
  /** Tokens of one passage's block in the prompt, about. */
  readonly measure: (passage: Passage) => number;
  /** The whole prompt with these passages. */
  readonly build: (passages: readonly Passage[]) => number[];
}

/** A prompt has no room for what it has to hold. */
export class NoRoomError extends UserError {}

/** The largest prompt within maxTokens. Throws NoRoomError when it does not fit without any passage. */
export function fitPassages({ passages, maxTokens, measure, build }: FitRequest): Prompt {
  const bare = build([]);
  if (bare.length > maxTokens)
    throw new NoRoomError(
      `The question takes ${bare.length} tokens, but the model has room for ${maxTokens}; ask a shorter question or raise the context length.`,
    );
  let chosen = chooseWithin(passages, maxTokens - bare.length, measure);
  // Blocks are measured on the safe side.
  if (chosen.length === 0) chosen = bestFirst(passages).slice(0, 1);
  for (;;) {
    const tokens = chosen.length === 0 ? bare : build(inOrder(passages, chosen));
    if (tokens.length <= maxTokens) return { tokens, passages: inOrder(passages, chosen) };
    chosen = chosen.slice(0, -1);
  }
}

interface Chosen {
  readonly index: number;
  readonly passage: Passage;
}

/** Passages whose blocks fill at most `budget` tokens, best score first; the best one is shortened if it is too long alone. */
function chooseWithin(
  passages: readonly Passage[],
  budget: number,
  measure: FitRequest["measure"],
): Chosen[] {
  const chosen: Chosen[] = [];
  let left = budget;
  for (const candidate of bestFirst(passages)) {
    let { passage } = candidate;
    let numTokens = measure(passage) + BLOCK_OVERHEAD;
    if (numTokens > left && chosen.length === 0) {
      const shorter = shorten(passage, (cut) => measure(cut) + BLOCK_OVERHEAD <= left);
      if (shorter === undefined) continue;
      passage = shorter;
      numTokens = measure(passage) + BLOCK_OVERHEAD;
    }
    if (numTokens > left) continue;
    chosen.push({ index: candidate.index, passage });
    left -= numTokens;
  }
  return chosen;
}

function bestFirst(passages: readonly Passage[]): Chosen[] {
  return passages
    .map((passage, index) => ({ index, passage }))
    .sort((a, b) => b.passage.score - a.passage.score || a.index - b.index);
}

/** The passage with as many of its first lines as fit; undefined if not even one does. */
function shorten(passage: Passage, fits: (passage: Passage) => boolean): Passage | undefined {
  const lines = passage.text.split("\n");
  const first = (count: number): Passage => ({
    ...passage,
    text: lines.slice(0, count).join("\n"),
    endLine: Math.min(passage.endLine, passage.startLine + count - 1),
  });
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(first(middle))) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? undefined : first(low);
}

function inOrder(passages: readonly Passage[], chosen: readonly Chosen[]): Passage[] {
  const byIndex = new Map(chosen.map(({ index, passage }) => [index, passage]));
  return passages.flatMap((_, index) => byIndex.get(index) ?? []);
}
