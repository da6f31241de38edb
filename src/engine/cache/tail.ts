// What is held in f16 beside quantised rows: the first tokens, and the newest. Checked before anything is loaded.

import type { ModelSettings } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import type { CachePlan } from "./cachePlan.ts";
import { type CacheType, type CacheTypeId, cacheTypes } from "./types.ts";

export interface TailShape {
  /** First tokens held. */
  readonly sinks: number;
  /** Newest tokens held at least. */
  readonly residual: number;
  /** Rows of each KV head in the ring of newest tokens. */
  readonly ring: number;
}

/** Tokens the tail moves on by, so that a group is stored as a whole: KIVI's. */
export const TAIL_GROUP = 32;
/** As many as attract most attention (StreamingLLM, KVQuant). */
const SINKS = 4;
/** Steps that may have run ahead of what the cache counts. */
export const STEPS_AHEAD = 64;
/** Tokens that may be given up without the ring having moved on: what ran ahead, and a few more. Every one costs f16's bytes. */
const TOKENS_BACK = STEPS_AHEAD + 32;

interface TailContext {
  readonly typeK: CacheTypeId;
  readonly typeV: CacheTypeId;
  readonly plan: CachePlan | undefined;
}

/**
 * The tail of a cache; undefined where every row is in the cache's types.
 * @throws UserError for settings that do not go together
 */
export function planTail(
  settings: ModelSettings,
  { typeK, typeV, plan }: TailContext,
): TailShape | undefined {
  const residual = settings.cacheResidual ?? 0;
  if (!Number.isSafeInteger(residual) || residual < 0) {
    throw new UserError(
      `The cache residual cannot be ${residual}: give a whole number of tokens, 0 for none.`,
    );
  }
  const keyType: CacheType = cacheTypes[typeK];
  if (residual === 0 && keyType.groupSize === undefined) return undefined;
  const cause = residual > 0 ? `A cache residual of ${residual}` : `Cache type ${typeK}`;
  if (residual > 0 && !isQuantized(typeK) && !isQuantized(typeV)) {
    throw new UserError(
      `${cause} keeps tokens in f16 beside quantised ones, and keys are ${typeK}, values ${typeV}: choose a quantised type, or leave the residual out.`,
    );
  }
  refuseOthers(settings, plan, cause);
  const ring = Math.ceil((residual + TOKENS_BACK) / TAIL_GROUP + 1) * TAIL_GROUP;
  return { sinks: residual > 0 ? SINKS : 0, residual, ring };
}

/** First slot that a query sees in the tail's ring when it sees `length` slots; kernels/common/tail.wgsl has the same. */
export function tailStart({ sinks, residual }: TailShape, length: number): number {
  const settled = Math.floor(Math.max(0, length - residual) / TAIL_GROUP) * TAIL_GROUP;
  return Math.max(sinks, settled);
}

function isQuantized(type: CacheTypeId): boolean {
  return type !== "f32" && type !== "f16";
}

function refuseOthers(settings: ModelSettings, plan: CachePlan | undefined, cause: string): void {
  if (plan !== undefined) {
    throw new UserError(
      `${cause} needs the newest tokens in their places, and cache policy ${plan.policyId} moves them: use policy full, or another type and no residual.`,
    );
  }
  const others = {
    "position scheme": [settings.positionScheme, "original"],
    "prefill sparsity": [settings.prefillSparsity, "dense"],
  } as const;
  for (const [name, [given, usual]] of Object.entries(others)) {
    if (given === undefined || given === usual) continue;
    throw new UserError(
      `${cause} works with ${name} ${usual} alone, not with ${given}: leave one of them out.`,
    );
  }
}
