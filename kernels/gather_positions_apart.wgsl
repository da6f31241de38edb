// Lists the tokens of the kept slots in the layer's next place, as gather_rows_apart.wgsl copies rows there.
//   kept, positions [rows of the old place]   counts [NUM_KV_HEADS]   gathered [rows of the next place]
//   grid: any, NUM_KV_HEADS
#include "common/eviction.wgsl"
#include "common/position.wgsl"

@group(0) @binding(0) var<storage, read> kept: array<u32>;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read_write> gathered: array<u32>;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;
@group(0) @binding(5) var<uniform> next_heads: array<Head, NUM_KV_HEADS>;
@group(0) @binding(6) var<uniform> eviction: Eviction;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
  let source = heads[id.y].first_row;
  for (var i = id.x; i < counts[id.y]; i += num_workgroups.x * WORKGROUP_SIZE) {
    gathered[next_heads[id.y].first_row + i] = position_of(id.y, kept[source + i]);
  }
}
