// Moves the kept rows of a head to its first slots, in place: slots are in ascending order, so that no row moves up and a
// tile's rows only have to be read before any of them is written. One workgroup per COLUMNS words of a row and head.
//   kept [NUM_KV_HEADS, budget]   rows [rows, ROW_WORDS]   grid: ROW_WORDS / COLUMNS, NUM_KV_HEADS
#include "common/eviction.wgsl"

@group(0) @binding(0) var<storage, read> kept: array<u32>;
@group(0) @binding(1) var<storage, read_write> rows: array<u32>;
@group(0) @binding(2) var<uniform> eviction: Eviction;
@group(0) @binding(3) var<uniform> heads: array<Head, NUM_KV_HEADS>;

// An invocation has so many loads under way at once: what takes time is waiting for them, tile by tile.
const LOADS = 8u;
const ROWS_ABREAST = WORKGROUP_SIZE / COLUMNS;
const TILE = ROWS_ABREAST * LOADS;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let column = workgroup.x * COLUMNS + local_index % COLUMNS;
  let first_row = heads[workgroup.y].first_row;
  for (var tile = 0u; tile < eviction.budget; tile += TILE) {
    let first_slot = tile + local_index / COLUMNS;
    var words: array<u32, LOADS>;
    for (var i = 0u; i < LOADS; i++) {
      let target_slot = first_slot + i * ROWS_ABREAST;
      if (target_slot < eviction.budget && column < ROW_WORDS) {
        let slot = kept[workgroup.y * eviction.budget + target_slot];
        words[i] = rows[(first_row + slot) * ROW_WORDS + column];
      }
    }
    storageBarrier();
    for (var i = 0u; i < LOADS; i++) {
      let target_slot = first_slot + i * ROWS_ABREAST;
      if (target_slot < eviction.budget && column < ROW_WORDS) {
        rows[(first_row + target_slot) * ROW_WORDS + column] = words[i];
      }
    }
  }
}
