// Slots read in the cache's own types: all that a query sees.
const SPAN_START = 0u;

fn span_end(length: u32) -> u32 {
  return length;
}
