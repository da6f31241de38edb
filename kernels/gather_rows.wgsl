// Moves the kept rows of a head to its first slots, in place: slots are in ascending order, so that no row moves up and a
// tile's rows only have to be read before any of them is written. One workgroup per COLUMNS words of a row and head.
//   kept [NUM_KV_HEADS, budget]   rows [rows, ROW_WORDS]   grid: ROW_WORDS / COLUMNS, NUM_KV_HEADS
#include "common/eviction.wgsl"

@group(0) @binding(0) var<storage, read> kept: array<u32>;
@group(0) @binding(1) var<storage, read_write> rows: array<u32>;
@group(0) @binding(2) var<uniform> eviction: Eviction;
@group(0) @binding(3) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const TILE = WORKGROUP_SIZE / COLUMNS;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let column = workgroup.x * COLUMNS + local_index % COLUMNS;
  for (var tile = 0u; tile < eviction.budget; tile += TILE) {
    let target_slot = tile + local_index / COLUMNS;
    let moves = target_slot < eviction.budget && column < ROW_WORDS;
    let first_row = heads[workgroup.y].first_row;
    var word = 0u;
    if (moves) {
      let slot = kept[workgroup.y * eviction.budget + target_slot];
      word = rows[(first_row + slot) * ROW_WORDS + column];
    }
    storageBarrier();
    if (moves) { rows[(first_row + target_slot) * ROW_WORDS + column] = word; }
  }
}
