// The first TAIL_PARTS workgroups of decoding attend to the tail: its sinks, and the newest slots.
#include "common/tail_rows.wgsl"

@group(0) @binding(7) var<storage, read> tail_keys: array<rows_Word>;
@group(0) @binding(8) var<storage, read> tail_values: array<rows_Word>;

const TAIL_PARTS = (TAIL_SINKS + TAIL_RESIDUAL + TAIL_GROUP + SPLIT - 1u) / SPLIT;

// Slots of the tail that a query sees which sees `seen` in all.
fn tail_slots(seen: u32) -> u32 {
  return min(TAIL_SINKS, seen) + seen - min(tail_start(seen), seen);
}

fn tail_slot(n: u32, seen: u32) -> u32 {
  let sinks = min(TAIL_SINKS, seen);
  return select(tail_start(seen) + n - sinks, n, n < sinks);
}
