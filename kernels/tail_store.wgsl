// Stores a pass's keys and values in the tail, in 16 bits, once its queries need nothing any more that they overwrite; one
// invocation per four values of each.
//   qkv [tokens, QKV_SIZE]   tail_keys, tail_values [NUM_KV_HEADS, TAIL_SLOTS, HEAD_DIM]
//   grid: NUM_KV_HEADS * HEAD_DIM / 4 / WORKGROUP_SIZE, tokens
#include "common/step.wgsl"
#include "common/tail.wgsl"
#include <cache> as rows

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> tail_keys: array<rows_Word>;
@group(0) @binding(2) var<storage, read_write> tail_values: array<rows_Word>;
@group(0) @binding(3) var<uniform> step: Step;

const VECTORS = HEAD_DIM / 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= NUM_KV_HEADS * VECTORS) { return; }
  let slot = step.first_slot + id.y;
  // Of a pass longer than the ring only the end stays.
  if (slot >= TAIL_SINKS && slot + TAIL_RING < step.cache_length) { return; }
  let row = tail_row(id.x / VECTORS, slot);
  let key = id.y * (QKV_SIZE / 4u) + NUM_HEADS * VECTORS + id.x;
  let value = key + NUM_KV_HEADS * VECTORS;
  rows_store(&tail_keys, row, id.x % VECTORS, array(qkv[key]));
  rows_store(&tail_values, row, id.x % VECTORS, array(qkv[value]));
}
