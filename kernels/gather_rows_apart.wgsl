// Copies the kept rows of each head to the buffer of the layer's next place, where heads begin elsewhere. One invocation per
// word, over and over.
//   kept, rows [rows of the old place]   counts [NUM_KV_HEADS]   gathered [rows of the next place]
//   grid: any, NUM_KV_HEADS
#include "common/heads.wgsl"

@group(0) @binding(0) var<storage, read> kept: array<u32>;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> gathered: array<u32>;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;
@group(0) @binding(5) var<uniform> next_heads: array<Head, NUM_KV_HEADS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
  let source = heads[id.y].first_row;
  let target_word = next_heads[id.y].first_row * ROW_WORDS;
  for (var i = id.x; i < counts[id.y] * ROW_WORDS; i += num_workgroups.x * WORKGROUP_SIZE) {
    let row = source + kept[source + i / ROW_WORDS];
    gathered[target_word + i] = rows[row * ROW_WORDS + i % ROW_WORDS];
  }
}
