// What a cache allocation is: how the budget, a mean over layers and KV heads, is shared out among them.

/** The layers that share a budget, and what each needs at least. */
export interface AllocationRequest {
  /** Tokens per layer and KV head, the mean. */
  readonly budget: number;
  /** Tokens that every layer keeps in any case: sinks and the recent window. */
  readonly least: number;
  readonly numLayers: number;
}

export interface CacheAllocation {
  /** One sentence for settings and tables. */
  readonly description: string;
  /** Whose slots compete for a budget: those of each KV head, of all heads of a layer, or of all heads of all layers. */
  readonly among: "head" | "layer" | "model";
  /** The part of its layer's budget that a head fills with its own best slots before heads compete. */
  readonly safeguard: number;
  /** Budgets of the layers, whose mean is the one asked for to within rounding. */
  layerBudgets(request: AllocationRequest): number[];
}

/** The same budget for every layer. */
export function equalBudgets({ budget, numLayers }: AllocationRequest): number[] {
  return new Array<number>(numLayers).fill(budget);
}
