// The mean of the queries that a pass has in each block. One invocation per vec4.
//   qkv [tokens, QKV_SIZE]   means [NUM_HEADS, query blocks, HEAD_DIM]   grid: query blocks * VECTORS / WORKGROUP_SIZE, NUM_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> means: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> step: Step;

const VECTORS = HEAD_DIM / 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let query_block = id.x / VECTORS;
  if (query_block >= num_query_blocks()) { return; }
  let tokens = tokens_of_block(first_query_block() + query_block);
  var sum = vec4(0.0);
  for (var token = tokens.x; token < tokens.y; token++) {
    sum += qkv[token * (QKV_SIZE / 4u) + id.y * VECTORS + id.x % VECTORS];
  }
  means[id.y * num_query_blocks() * VECTORS + id.x] = sum / f32(tokens.y - tokens.x);
}
