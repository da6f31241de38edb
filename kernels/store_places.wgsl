// Notes the position that each key of a pass was turned by, where evictions will part it from its slot. One invocation per KV head
// and token.
//   places [rows]   grid: NUM_KV_HEADS / WORKGROUP_SIZE, tokens
#include "common/step.wgsl"
#include "common/heads.wgsl"

@group(0) @binding(0) var<storage, read_write> places: array<u32>;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<uniform> heads: array<Head, NUM_KV_HEADS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= NUM_KV_HEADS) { return; }
  let head = heads[id.x];
  places[head.first_row + slots_of(head, step.first_slot) + id.y] = step.first_position + id.y;
}
