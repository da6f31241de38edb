// Which queries a policy looks at: of the passes that read a text, and of generated tokens.

import type { CachePlan } from "./cachePlan.ts";
import type { KeptRows } from "./generatedQueries.ts";
import { SKIPPED_QUERIES } from "./queryStatistics.ts";

/** Which queries of a pass are recorded, on which slots, as steps count them. */
export interface QuerySample {
  readonly first: number;
  readonly stride: number;
  readonly count: number;
  /** Slots whose record goes on; those behind begin at 0. */
  readonly joinedSlots: number;
  /** The slots recorded. */
  readonly firstSlot: number;
  readonly endSlot: number;
  /** Slots in front that count in the softmax of a repeat, and the first slot of the repeat. */
  readonly sinks: number;
  readonly repeatSlot: number;
}

/** Slots that a sample records in a head that holds `surplus` more than steps count, or (negative) fewer. */
export function sampledSlots(
  { firstSlot, endSlot }: Pick<QuerySample, "firstSlot" | "endSlot">,
  surplus: number,
): number {
  // From a head's first slot on whatever it holds; further behind, slots lie one as the other in all heads.
  return endSlot - firstSlot + (firstSlot === 0 ? surplus : 0);
}

/** Where a sample is of queries alone, not of their attention to slots. */
const NO_SLOTS = { firstSlot: 0, endSlot: 0, sinks: 0, repeatSlot: 0 };

export class QuerySamples {
  readonly #plan: CachePlan;
  /** Slots whose attention is recorded; a snapshot of the cache carries it. */
  recordedSlots = 0;
  /** Whether generated tokens' queries were recorded that the next text's go on from, though the policy begins anew behind evictions. */
  goesOn = false;

  constructor(plan: CachePlan) {
    this.#plan = plan;
  }

  /** Newest queries that a policy looks at, where it looks at so many only. */
  get window(): number | undefined {
    const queries = this.#plan.policy.records?.queries;
    return typeof queries === "number" ? queries : undefined;
  }

  /**
   * The queries to record of a pass of `tokens`: `since` were read since the last eviction, `left` are read before the
   * next, `length` slots are filled. `undefined` where the policy looks at no attention.
   */
  ofPass(
    tokens: number,
    { since, left, length }: { since: number; left: number; length: number },
  ): QuerySample | undefined {
    const { records } = this.#plan.policy;
    if (records === undefined) return undefined;
    const beginsAnew = since === 0 && !this.goesOn;
    this.goesOn = false;
    if (records.queries === "statistics") {
      const first = Math.min(tokens, Math.max(0, SKIPPED_QUERIES - length));
      return {
        ...NO_SLOTS,
        first,
        stride: 1,
        count: tokens - first,
        joinedSlots: beginsAnew ? 0 : 1,
      };
    }
    const joinedSlots =
      beginsAnew && !records.accumulates ? 0 : Math.min(this.recordedSlots, length);
    if (records.queries === "repeat") {
      this.recordedSlots = joinedSlots;
      return undefined;
    }
    this.recordedSlots = length + tokens;
    const slots = { joinedSlots, firstSlot: 0, endSlot: length + tokens, sinks: 0, repeatSlot: 0 };
    if (records.queries === "all") {
      const stride = this.#plan.queryStride;
      // The last query of every stride since the eviction, however the tokens are cut into passes.
      const first = stride - 1 - (since % stride);
      return {
        first,
        stride,
        count: Math.max(0, Math.ceil((tokens - first) / stride)),
        ...slots,
      };
    }
    const first = Math.min(tokens, Math.max(0, tokens + left - records.queries));
    return { first, stride: 1, count: tokens - first, ...slots };
  }

  /** The sample of generated tokens in rows of the ring. */
  ofGenerated({ start, base, first: from, end, goesOn }: KeptRows): QuerySample {
    const queries = this.#plan.policy.records?.queries;
    if (queries === "statistics") {
      const first = Math.min(end, Math.max(from, SKIPPED_QUERIES - start - base));
      return { ...NO_SLOTS, first, stride: 1, count: end - first, joinedSlots: goesOn ? 1 : 0 };
    }
    const stride = queries === "all" ? this.#plan.queryStride : 1;
    // The last query of every stride since the generation began, wherever the ring does.
    const first = from + stride - 1 - ((base + from) % stride);
    const count = Math.max(0, Math.ceil((end - first) / stride));
    const endSlot = start + base + end;
    const joinedSlots = goesOn ? Math.min(this.recordedSlots, endSlot) : 0;
    this.recordedSlots = endSlot;
    return { first, stride, count, joinedSlots, firstSlot: 0, endSlot, sinks: 0, repeatSlot: 0 };
  }
}
