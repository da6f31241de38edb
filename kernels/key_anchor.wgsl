// Sum of the directions of a head's keys: anchor = Σ_k k / ‖k‖. One workgroup per four dimensions and head.
//   keys [rows, HEAD_DIM]   inverse_norms [rows]   anchor [NUM_KV_HEADS, HEAD_DIM]
//   grid: HEAD_DIM / 4, NUM_KV_HEADS
#include "common/eviction.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> keys: array<key_Word>;
@group(0) @binding(1) var<storage, read_write> anchor: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> inverse_norms: array<f32>;
@group(0) @binding(3) var<uniform> eviction: Eviction;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

var<workgroup> partial: array<vec4<f32>, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let first_row = heads[workgroup.y].first_row;
  let length = slots_of(heads[workgroup.y], eviction.length);
  var sum = vec4(0.0);
  for (var slot = local_index; slot < length; slot += WORKGROUP_SIZE) {
    let key = with_bias(key_load(&keys, first_row + slot, workgroup.x), workgroup.y, slot, workgroup.x);
    sum += key * inverse_norms[first_row + slot];
  }
  partial[local_index] = sum;
  workgroupBarrier();
  if (local_index == 0u) {
    for (var i = 1u; i < WORKGROUP_SIZE; i++) { sum += partial[i]; }
    anchor[workgroup.y * (HEAD_DIM / 4u) + workgroup.x] = sum;
  }
}
