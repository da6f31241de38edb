// Turns the queries of a pass further, from their place in their own chunk of the text to the one they have for keys of earlier
// chunks (dual chunk attention, arXiv:2402.17463): a chunk ahead, but no further than the longest distance; or that distance.
//   qkv, turned [tokens, QKV_SIZE], of which queries alone are written   frequencies: see common/angle.wgsl
//   grid: NUM_HEADS * HEAD_DIM / 2 / WORKGROUP_SIZE, tokens
#include "common/step.wgsl"
#include "common/angle.wgsl"

@group(0) @binding(0) var<storage, read> frequencies: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read_write> turned: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

const PAIRS = ROPE_DIM / 2u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let head = id.x / (HEAD_DIM / 2u);
  let pair = id.x % (HEAD_DIM / 2u);
  if (head >= NUM_HEADS) { return; }
  let start = id.y * QKV_SIZE + head * HEAD_DIM;
  if (pair >= PAIRS) {
    // Dimensions that are not rotated.
    turned[start + 2u * pair] = qkv[start + 2u * pair];
    turned[start + 2u * pair + 1u] = qkv[start + 2u * pair + 1u];
    return;
  }
  let place = (step.first_position + id.y) % CHUNK_LENGTH;
  let next_place = select(CHUNK_SIZE, min(place + CHUNK_LENGTH, CHUNK_SIZE), IS_NEXT);
  let near = start + select(pair, 2u * pair, IS_INTERLEAVED);
  let far = start + select(pair + PAIRS, 2u * pair + 1u, IS_INTERLEAVED);
  let angle = angle_of(next_place - place, frequencies[pair]);
  turned[near] = qkv[near] * cos(angle) - qkv[far] * sin(angle);
  turned[far] = qkv[near] * sin(angle) + qkv[far] * cos(angle);
}
