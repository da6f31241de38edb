// KeyDiff (arXiv:2504.15364): keys unlike the others are kept, score = −cos(k, anchor).
//   keys [rows, HEAD_DIM]   anchor [NUM_KV_HEADS, HEAD_DIM]
//   scores [rows]: before, 1 / ‖k‖   grid: slots / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/eviction.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> keys: array<key_Word>;
@group(0) @binding(1) var<storage, read_write> anchor: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
@group(0) @binding(3) var<uniform> eviction: Eviction;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const SMALLEST = 1e-20;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= slots_of(heads[id.y], eviction.length)) { return; }
  let row = heads[id.y].first_row + id.x;
  var product = 0.0;
  var squares = 0.0;
  for (var i = 0u; i < HEAD_DIM / 4u; i++) {
    let direction = anchor[id.y * (HEAD_DIM / 4u) + i];
    product += dot(with_bias(key_load(&keys, row, i), id.y, id.x, i), direction);
    squares += dot(direction, direction);
  }
  scores[row] = -product * scores[row] / max(sqrt(squares), SMALLEST);
}
