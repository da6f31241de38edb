// Turns cached keys by the positions of their slots: in-cache positions, a key's rank among those its head keeps. Where
// recalled keys lie behind the kept ones, ranks come from a table.
// One invocation per block of the cache type.
//   unrotated, keys [rows, HEAD_DIM]   frequencies [ROPE_DIM / 2]
//   grid: most slots of the step in a head * blocks of a row / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include "common/angle.wgsl"
#include <key_cache> as key
#include <rank>
#include <place>

@group(0) @binding(0) var<storage, read> unrotated: array<key_Word>;
@group(0) @binding(1) var<storage, read> frequencies: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> keys: array<key_Word>;
@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const PAIRS = ROPE_DIM / 2u;
const BLOCKS = HEAD_DIM / 4u / key_BLOCK;

fn value_at(row: u32, dimension: u32) -> f32 {
  return key_load(&unrotated, row, dimension / 4u)[dimension % 4u];
}

fn rotated(row: u32, position: u32, dimension: u32) -> f32 {
  let value = value_at(row, dimension);
  if (dimension >= ROPE_DIM) { return value; }
  let pair = select(dimension % PAIRS, dimension / 2u, IS_INTERLEAVED);
  let is_first = select(dimension < PAIRS, dimension % 2u == 0u, IS_INTERLEAVED);
  let distance = select(PAIRS, 1u, IS_INTERLEAVED);
  let other = value_at(row, select(dimension - distance, dimension + distance, is_first));
  let angle = angle_of(position, frequencies[pair]);
  return ATTENTION_FACTOR * (value * cos(angle) + select(other, -other, is_first) * sin(angle));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let head = heads[id.y];
  // A step from slot 0 on turns all that the head holds.
  let first = select(0u, slots_of(head, step.first_slot), step.first_slot > 0u);
  let slot = first + id.x / BLOCKS;
  if (slot >= slots_of(head, step.cache_length)) { return; }
  let block = id.x % BLOCKS;
  let row = head.first_row + slot;
  let position = rank_of(id.y, slot);
  var packed: array<vec4<f32>, key_BLOCK>;
  for (var i = 0u; i < key_BLOCK; i++) {
    for (var c = 0u; c < 4u; c++) {
      packed[i][c] = rotated(row, position, (block * key_BLOCK + i) * 4u + c);
    }
  }
  key_store(&keys, row, block, packed);
  if (block == 0u) { note_place(row, position); }
}
