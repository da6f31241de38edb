// Scores blocks by their place, the latest highest: with the first block always attended, attention in the shape of a Λ.
//   scores [NUM_KV_HEADS, query blocks, key blocks]   grid: key blocks / WORKGROUP_SIZE, query blocks, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"

@group(0) @binding(0) var<storage, read_write> scores: array<f32>;
@group(0) @binding(1) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= num_key_blocks()) { return; }
  scores[(id.z * num_query_blocks() + id.y) * num_key_blocks() + id.x] = f32(id.x);
}
