// Dual chunk attention (arXiv:2402.17463): the text is cut into chunks, a key has its place in its chunk for position, and a
// query has three: its own place for keys of its chunk, a chunk ahead of it for those of the chunk before, and the longest
// distance for all that came earlier. No position is beyond training, however long the text; near tokens keep their distances.

import type { ModelSettings } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import type { DecoderConfig } from "../model/decoderConfig.ts";
import { DENSE } from "../model/sparsity/index.ts";
import type { CachePlan } from "./cachePlan.ts";
import { cacheRotations } from "./rotation.ts";

/** In tokens. */
export interface DualChunk {
  /** Of a chunk of the text: keys have positions below it. */
  readonly chunkLength: number;
  /** The longest distance, and the highest position of a query. */
  readonly chunkSize: number;
}

/** The setting that asks for it. */
export const DUAL_CHUNK = "dual-chunk";

/** The chunks of a model trained on contexts of so many tokens, as in ChunkLlama: 3/4 of it, and windows of an eighth. */
export function dualChunkOf(trainedContextLength: number): DualChunk {
  const chunkSize = Math.floor((trainedContextLength * 3) / 4);
  const localWindow = Math.floor(trainedContextLength / 8);
  return { chunkSize, chunkLength: chunkSize - localWindow };
}

/**
 * The dual chunk attention that the settings ask for, if they do.
 * @throws UserError for what it cannot be combined with
 */
export function planDualChunk(
  settings: ModelSettings,
  { trainedContextLength }: Pick<DecoderConfig, "trainedContextLength">,
  plan: CachePlan | undefined,
): DualChunk | undefined {
  if (settings.positionScheme !== DUAL_CHUNK) return undefined;
  const { prefillSparsity = DENSE, cacheRotation = "off" } = settings;
  if (plan !== undefined) refuse(`cache policy ${plan.policyId}`, "choose policy full");
  if (prefillSparsity !== DENSE)
    refuse(`prefill sparsity ${prefillSparsity}`, `choose prefill sparsity ${DENSE}`);
  const rotation = Object.entries(cacheRotations).find(([id]) => id === cacheRotation)?.[1];
  // A rotation behind RoPE does not commute with turning queries further.
  if (rotation?.keys) refuse(`cache rotation ${cacheRotation}`, "choose rotation values or off");
  const chunk = dualChunkOf(trainedContextLength);
  if (chunk.chunkLength < 1) {
    throw new UserError(
      `Position scheme ${DUAL_CHUNK} cuts a text into chunks of 5/8 of the trained context, which is ${trainedContextLength} tokens here: choose position scheme original.`,
    );
  }
  return chunk;
}

function refuse(other: string, advice: string): never {
  throw new UserError(
    `Position scheme ${DUAL_CHUNK} cannot be combined with ${other}: ${advice}, or position scheme original.`,
  );
}

/** The chunk that a position lies in, and how many tokens of it are left from there on. */
export function chunkAt(
  { chunkLength }: DualChunk,
  position: number,
): { readonly chunk: number; readonly left: number } {
  const chunk = Math.floor(position / chunkLength);
  return { chunk, left: (chunk + 1) * chunkLength - position };
}
