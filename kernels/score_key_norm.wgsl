// Scores slots by the length of their keys: −‖k‖ (IS_INVERSE false: short keys attract attention, arXiv:2406.11430), or
// 1 / ‖k‖ for kernels that compare directions.
//   keys [rows, HEAD_DIM]   scores [rows]   grid: slots / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/eviction.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> keys: array<key_Word>;
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;
@group(0) @binding(2) var<uniform> eviction: Eviction;
@group(0) @binding(3) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const SMALLEST = 1e-20;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= slots_of(heads[id.y], eviction.length)) { return; }
  let row = heads[id.y].first_row + id.x;
  var squares = 0.0;
  for (var i = 0u; i < HEAD_DIM / 4u; i++) {
    let key = with_bias(key_load(&keys, row, i), id.y, id.x, i);
    squares += dot(key, key);
  }
  let norm = sqrt(squares);
  scores[row] = select(-norm, 1.0 / max(norm, SMALLEST), IS_INVERSE);
}
