// Words that suites make keys of.

import type { Random } from "./random.ts";

const ADJECTIVES =
  "amber brisk calm copper crimson distant dusty eager faded gentle golden hollow ivory jagged lively lunar mellow misty narrow noble olive patient polished quiet rapid rustic silver solemn sunny tidy velvet wandering".split(
    " ",
  );
const NOUNS =
  "anchor basket beacon bridge canyon candle cedar compass cottage falcon fiddle garden glacier hammer harbor island jacket kettle ladder lantern meadow mirror orchard otter pebble pillow pocket quarry ribbon saddle spindle thimble tunnel violin walnut whistle window".split(
    " ",
  );

/** Different keys of two words, such as `amber-lantern`. */
export function someKeys(random: Random, count: number): string[] {
  const keys = new Set<string>();
  while (keys.size < count) keys.add(`${random.choice(ADJECTIVES)}-${random.choice(NOUNS)}`);
  return [...keys];
}
