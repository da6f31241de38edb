// A question pointed into a passage that a prompt shows: how likely each of its spans is as the answer, and whether any is.

import type { LanguageModel } from "../../languageModel.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { Span } from "../verify.ts";
import { type PointerInput, type PointerOutput, pointSpans } from "./pointerNetwork.ts";
import type { PointerWeights } from "./pointerWeights.ts";
import { placeTokens, type TokenPlaces } from "./tokenPlaces.ts";
import { wordFlags } from "./wordFlags.ts";

/** A pointer, and the states of its model. */
export interface SpanPointer {
  readonly weights: PointerWeights;
  /** Read tokens into the model's empty cache; the states that the pointer looks at [layers, tokens, hiddenSize]. */
  states(tokens: readonly number[], options?: { signal?: AbortSignal }): Promise<Float32Array>;
}

/** A question as the pointer sees it, whatever passage it is pointed into. */
export interface PointedQuestion {
  readonly text: string;
  /** [tokens, width] */
  readonly states: Float32Array;
  /** Characters of the text that each token stands for. */
  readonly places: TokenPlaces["places"];
}

/**
 * ln p of a span among those of its passage below which it loses no more: over text unlike what it was trained on the pointer may
 * be sure and wrong, and then the model, which is surer still, has to be able to say so.
 */
const LEAST = -4;

/** What the pointer says of a passage. */
export class Pointing {
  /** Log-odds that the passage answers the question, up to a constant. */
  readonly answered: number;
  readonly #places: TokenPlaces["places"];
  readonly #output: PointerOutput;
  /** ln of the sum over all spans and none. */
  readonly #total: number;

  constructor(places: TokenPlaces["places"], output: PointerOutput, longest: number) {
    this.#places = places;
    this.#output = output;
    const spans = lnTotal(output, longest);
    this.answered = spans - output.none;
    this.#total = spans + Math.log1p(Math.exp(-this.answered));
  }

  /**
   * ln p that a span of the passage's text is the answer; −∞ for none. That the passage has an answer at all is part of it: so
   * those of several passages compete.
   */
  lnSpan({ start, end }: Span): number {
    const isInside = (place: Span) => place.end > start && place.start < end;
    const first = this.#output.start[this.#places.findIndex(isInside)];
    const last = this.#output.end[this.#places.findLastIndex(isInside)];
    if (first === undefined || last === undefined) return Number.NEGATIVE_INFINITY;
    return first + last - this.#total;
  }

  /**
   * What it adds to a span's log-odds among those of all passages: ln p of the span in its passage, which counts down to LEAST,
   * and of there being an answer at all.
   */
  support(span: Span): number {
    const lnAnswered = -Math.log1p(Math.exp(-this.answered));
    return Math.max(LEAST, this.lnSpan(span) - lnAnswered) + lnAnswered;
  }
}

/** Read a question for a pointer. The model's cache holds it afterwards. */
export async function readQuestion(
  pointer: SpanPointer,
  tokenizer: Tokenizer,
  question: string,
  signal?: AbortSignal,
): Promise<PointedQuestion | undefined> {
  const text = question.replaceAll(/\s+/g, " ").trim();
  const tokens = tokenizer.encode(`Question: ${text}`, { addSpecial: true });
  const states = await readOwnStates(pointer, tokenizer, { tokens, text, signal });
  return states && { text, states: states.rows, places: states.places };
}

/**
 * Point a question into `text`, which a prompt shows and the cache holds afterwards. Undefined where the prompt's tokens
 * are not the text's bytes.
 */
export async function pointInto(
  { pointer, tokenizer }: Required<Pick<LanguageModel, "pointer" | "tokenizer">>,
  question: PointedQuestion,
  prompt: {
    readonly tokens: readonly number[];
    readonly text: string;
    readonly signal?: AbortSignal;
  },
): Promise<Pointing | undefined> {
  const own = await readOwnStates(pointer, tokenizer, { signal: undefined, ...prompt });
  if (own === undefined) return undefined;
  const input: PointerInput = {
    passage: own.rows,
    question: question.states,
    flags: wordFlags(prompt.text, own.places, question.text),
    questionFlags: wordFlags(question.text, question.places, prompt.text),
  };
  return new Pointing(own.places, pointSpans(pointer.weights, input), pointer.weights.longest);
}

interface OwnStates {
  /** [tokens, layers · hiddenSize] */
  readonly rows: Float32Array;
  readonly places: TokenPlaces["places"];
}

/** States of the tokens that stand for `text`, each layer's brought to a mean square of 1. */
async function readOwnStates(
  { weights, states }: SpanPointer,
  tokenizer: Tokenizer,
  {
    tokens,
    text,
    signal,
  }: { tokens: readonly number[]; text: string; signal: AbortSignal | undefined },
): Promise<OwnStates | undefined> {
  const placed = placeTokens(tokenizer, tokens, text);
  if (placed === undefined) return undefined;
  const all = await states(tokens, signal && { signal });
  const numLayers = weights.layers.length;
  const size = all.length / numLayers / tokens.length;
  const rows = new Float32Array(placed.places.length * numLayers * size);
  for (const token of placed.places.keys())
    for (let layer = 0; layer < numLayers; layer++) {
      const from = (layer * tokens.length + placed.first + token) * size;
      const row = all.subarray(from, from + size);
      const meanSquare = row.reduce((sum, value) => sum + value * value, 0) / size;
      const scale = 1 / Math.sqrt(meanSquare + weights.epsilon);
      rows.set(
        row.map((value) => value * scale),
        (token * numLayers + layer) * size,
      );
    }
  return { rows, places: placed.places };
}

function lnTotal({ start, end }: PointerOutput, longest: number): number {
  const sums: number[] = [];
  for (let first = 0; first < start.length; first++)
    for (let last = first; last <= Math.min(first + longest, end.length - 1); last++)
      sums.push(start[first]! + end[last]!);
  const highest = sums.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
  return highest + Math.log(sums.reduce((sum, value) => sum + Math.exp(value - highest), 0));
}
