// Slots read in the cache's own types: those between the sinks and the tail of a query that sees `length` slots.
#include "common/tail.wgsl"
const SPAN_START = TAIL_SINKS;

fn span_end(length: u32) -> u32 {
  return tail_start(length);
}
