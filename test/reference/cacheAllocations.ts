// Which slots heads keep when they share a budget, by sorting: written to be obviously right.

import type { CacheAllocation } from "../../src/engine/cache/allocations/allocation.ts";
import { keptSlots } from "./cachePolicies.ts";
import { at } from "./operations.ts";

interface Budget {
  readonly budget: number;
  readonly sinks: number;
  readonly recent: number;
}

interface Candidate {
  readonly layer: number;
  readonly head: number;
  readonly slot: number;
  readonly score: number;
}

/** Slots kept of each layer and head [layers][KV heads], in ascending order, from the scores of all [layers][KV heads][slots]. */
export function keptByAllocation(
  scores: readonly (readonly (readonly number[])[])[],
  budgets: readonly Budget[],
  { among, safeguard }: Pick<CacheAllocation, "among" | "safeguard">,
): number[][][] {
  if (among === "head")
    return scores.map((heads, layer) => heads.map((own) => keptSlots(own, budgetOf(layer))));
  const kept = scores.map((heads) => heads.map(() => new Set<number>()));
  const keep = ({ layer, head, slot }: Omit<Candidate, "score">): void => {
    kept[layer]?.[head]?.add(slot);
  };
  const competitions =
    among === "model" ? [[...scores.keys()]] : [...scores.keys()].map((l) => [l]);
  for (const layers of competitions) {
    let wanted = 0;
    const rest: Candidate[] = [];
    for (const layer of layers) {
      const { budget, sinks, recent } = budgetOf(layer);
      for (const [head, own] of (scores[layer] ?? []).entries()) {
        wanted += budget;
        const isProtected = (slot: number): boolean => slot < sinks || slot >= own.length - recent;
        const candidates = own.map((score, slot) => ({ layer, head, slot, score }));
        const free = candidates.filter(({ slot }) => !isProtected(slot)).sort(byScore);
        const numSafe = Math.max(0, Math.floor(safeguard * budget) - sinks - recent);
        const certain = [
          ...candidates.filter(({ slot }) => isProtected(slot)),
          ...free.slice(0, numSafe),
        ];
        certain.forEach(keep);
        wanted -= certain.length;
        rest.push(...free.slice(numSafe));
      }
    }
    rest.sort(byScore).slice(0, wanted).forEach(keep);
  }
  return kept.map((heads) => heads.map((slots) => [...slots].sort((a, b) => a - b)));

  function budgetOf(layer: number): Budget {
    return at(budgets, layer);
  }
}

/** The highest first; of equal ones that of the lower layer, head and slot. */
function byScore(a: Candidate, b: Candidate): number {
  return b.score - a.score || a.layer - b.layer || a.head - b.head || a.slot - b.slot;
}
