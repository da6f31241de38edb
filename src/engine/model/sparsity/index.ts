// The selectors of sparse prefill. To add one: a file here and a line below, and a kernel if it needs a new score.

import { UserError } from "../../errors.ts";
import { antidiagonal } from "./antidiagonal.ts";
import { blockSparse } from "./blockSparse.ts";
import { lambda } from "./lambda.ts";
import { lsh } from "./lsh.ts";
import type { PrefillSelector } from "./selector.ts";
import { verticalSlash } from "./verticalSlash.ts";

export const prefillSelectors = {
  lambda,
  "block-sparse": blockSparse,
  "vertical-slash": verticalSlash,
  antidiagonal,
  lsh,
} as const satisfies Record<string, PrefillSelector>;

export type PrefillSelectorId = keyof typeof prefillSelectors;

/** Attention to every block: the id of the setting that selects nothing. */
export const DENSE = "dense";

/** What `--prefill-sparsity` may be. */
export const prefillSparsityIds = [DENSE, ...Object.keys(prefillSelectors)];

/**
 * The selector a setting names; `undefined` for dense prefill, and when it names none.
 * @throws UserError naming the known ones
 */
export function prefillSelectorOf(
  setting: string | undefined,
): [PrefillSelectorId, PrefillSelector] | undefined {
  if (setting === undefined || setting === DENSE) return undefined;
  const found = Object.entries(prefillSelectors).find(([known]) => known === setting);
  if (found === undefined) {
    throw new UserError(
      `There is no prefill sparsity "${setting}": choose ${prefillSparsityIds.join(", ")}.`,
    );
  }
  // Registry keys are ids.
  return [found[0] as PrefillSelectorId, found[1]];
}
