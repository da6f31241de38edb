// Scores of mean queries by mean keys, one row for each query head of a KV head's group. One invocation per score.
//   query_means [NUM_HEADS, query blocks, HEAD_DIM]   means [NUM_KV_HEADS, key blocks, HEAD_DIM]
//   rows [NUM_KV_HEADS * query blocks, key blocks, ROWS]   grid: key blocks / WORKGROUP_SIZE, query blocks, NUM_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"
#include <bound>

@group(0) @binding(0) var<storage, read> query_means: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> means: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

const VECTORS = HEAD_DIM / 4u;
const LOG2_E = 1.4426950408889634;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= num_key_blocks()) { return; }
  let kv_head = id.z / ROWS;
  let query = (id.z * num_query_blocks() + id.y) * VECTORS;
  let key = (kv_head * num_key_blocks() + id.x) * VECTORS;
  var score = 0.0;
  for (var i = 0u; i < bound(VECTORS); i++) { score += dot(query_means[query + i], means[key + i]); }
  let is_seen = id.x <= first_query_block() + id.y;
  rows[row_index(kv_head * num_query_blocks() + id.y, id.x, id.z % ROWS)] =
    select(NOTHING, score * (SCALE * LOG2_E), is_seen);
}
