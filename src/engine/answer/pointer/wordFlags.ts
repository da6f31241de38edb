// What the word that a token belongs to has to do with the question; training/pointer_text.py does the same.

import type { Span } from "../verify.ts";
import { NUM_FLAGS } from "./pointerNetwork.ts";

const WORD = /[\p{L}\p{N}_]+/gu;
const COMMON =
  /^(?:the|an?|of|in|on|at|to|for|by|with|from|and|or|is|are|was|were|be|been|did|do|does|has|have|had|what|which|who|whom|whose|when|where|why|how|many|much|that|this|its?|as)$/;
/** Letters that two words share at their beginning to count as forms of one. */
const STEM = 5;
const LEAST_LETTERS = 4;

/**
 * [places.length, NUM_FLAGS]: the word is in the question, is one of its content words, a form of one, capitalised, a number. The
 * same the other way about, of a question's words and a passage.
 */
export function wordFlags(text: string, places: readonly Span[], question: string): Float32Array {
  const asked = new Set((question.match(WORD) ?? []).map((word) => word.toLowerCase()));
  const content = new Set([...asked].filter((word) => !COMMON.test(word)));
  const stems = new Set(
    [...content].filter((word) => word.length >= LEAST_LETTERS).map((word) => word.slice(0, STEM)),
  );
  const words = [...text.matchAll(WORD)];
  const flags = new Float32Array(places.length * NUM_FLAGS);
  let at = 0;
  for (const [i, { start, end }] of places.entries()) {
    while ((words[at]?.index ?? text.length) + (words[at]?.[0].length ?? 1) <= start) at++;
    const match = words[at];
    if (match === undefined || match.index >= end) continue;
    const [word] = match;
    const lower = word.toLowerCase();
    const isForm =
      !content.has(lower) && lower.length >= LEAST_LETTERS && stems.has(lower.slice(0, STEM));
    const found = [
      asked.has(lower),
      content.has(lower),
      isForm,
      /^\p{Lu}/u.test(word),
      /\p{Nd}/u.test(word),
    ];
    flags.set(found.map(Number), i * NUM_FLAGS);
  }
  return flags;
}
