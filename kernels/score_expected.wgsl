// Scores slots by the attention to expect times the length of their values: mean over the GQA group of softmax weights, ‖v‖.
//   logits [rows, GROUP_SIZE]   row_lse [NUM_HEADS]   values [rows, HEAD_DIM]   scores [rows]
//   grid: slots / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/eviction.wgsl"
#include <value_cache> as value

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> row_lse: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<value_Word>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;
@group(0) @binding(4) var<uniform> eviction: Eviction;
@group(0) @binding(5) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= slots_of(heads[id.y], eviction.length)) { return; }
  let row = heads[id.y].first_row + id.x;
  var weight = 0.0;
  for (var g = 0u; g < GROUP_SIZE; g++) {
    weight += exp2(logits[row * GROUP_SIZE + g] - row_lse[id.y * GROUP_SIZE + g]);
  }
  var squares = 0.0;
  for (var i = 0u; i < HEAD_DIM / 4u; i++) {
    let value = value_load(&values, row, i);
    squares += dot(value, value);
  }
  scores[row] = weight / f32(GROUP_SIZE) * sqrt(squares);
}
