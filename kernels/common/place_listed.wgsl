// The positions that keys were turned by, behind the bias's own bindings.
//   places [rows]
@group(0) @binding(KEY_BIAS_BINDING + 2u) var<storage, read> places: array<u32>;

fn place_of(kv_head: u32, slot: u32) -> u32 {
  return places[heads[kv_head].first_row + slot];
}
