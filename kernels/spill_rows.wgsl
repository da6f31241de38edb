// Copies the keys or values of the slots an eviction drops into pages, as they are. One invocation per word of a row.
//   spilled [NUM_KV_HEADS, rows]   source [rows, ROW_WORDS]
//   records [pages, NUM_KV_HEADS, RECORD_WORDS]   grid: dropped * ROW_WORDS / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/heads.wgsl"
#include "common/spill.wgsl"

@group(0) @binding(0) var<storage, read> spilled: array<u32>;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> records: array<u32>;
@group(0) @binding(3) var<uniform> spill: Spill;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let index = id.x / ROW_WORDS;
  let word = id.x % ROW_WORDS;
  if (index >= spill.dropped) { return; }
  let slot = spilled[id.y * spill.rows + index];
  let record = (index / PAGE * NUM_KV_HEADS + id.y) * RECORD_WORDS;
  records[record + OFFSET + index % PAGE * ROW_WORDS + word] =
    source[(heads[id.y].first_row + slot) * ROW_WORDS + word];
}
