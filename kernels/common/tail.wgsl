// The tail of a cache: its first TAIL_SINKS slots and the newest ones in 16 bits, beside rows in smaller types. A ring of
// TAIL_RING rows of each KV head, behind those of the sinks.
const TAIL_SLOTS = TAIL_SINKS + TAIL_RING;

fn tail_row(kv_head: u32, slot: u32) -> u32 {
  return kv_head * TAIL_SLOTS + select(TAIL_SINKS + slot % TAIL_RING, slot, slot < TAIL_SINKS);
}

// Where the tail of a query that sees `length` slots begins: behind whole groups, TAIL_RESIDUAL slots or more before the end.
// It depends on the query alone, not on the pass it is in.
fn tail_start(length: u32) -> u32 {
  let settled = (length - min(length, TAIL_RESIDUAL)) / TAIL_GROUP * TAIL_GROUP;
  return max(settled, TAIL_SINKS);
}
