// Rotary position embedding of queries and keys in place, after the optional RMS norm of each head (QK-norm).
// One workgroup per head and token; invocations take rotated pairs.
//   qkv [tokens, QKV_SIZE]: NUM_HEADS queries, NUM_KV_HEADS keys, NUM_KV_HEADS values of HEAD_DIM
//   frequencies [ROPE_DIM / 2]: turns per position, a 64-bit binary fraction (high word, low word)
//   norms [2, HEAD_DIM]: weights of the query norm and the key norm   grid: heads with keys, tokens
#include "common/step.wgsl"
#include "common/angle.wgsl"
#include <reduce>

@group(0) @binding(0) var<storage, read> frequencies: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(0) @binding(2) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

const PAIRS = ROPE_DIM / 2u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
  let head = invocation.workgroup.x;
  let token = invocation.workgroup.y;
  let start = token * QKV_SIZE + head * HEAD_DIM;
  var scale = 1.0;
  let norm = select(0u, HEAD_DIM, head >= NUM_HEADS);
  if (HAS_QK_NORM) {
    var squares = 0.0;
    for (var i = invocation.local_index; i < HEAD_DIM; i += WORKGROUP_SIZE) {
      squares += qkv[start + i] * qkv[start + i];
    }
    scale = inverseSqrt(workgroup_sum(squares, invocation) / f32(HEAD_DIM) + EPSILON);
  }
  let position = step.first_position + token;
  // Keys that may move to other positions are cached before rotation: rotate_keys.wgsl turns them.
  let is_rotated = ROTATES_KEYS || head < NUM_HEADS;
  for (var pair = invocation.local_index; pair < PAIRS; pair += WORKGROUP_SIZE) {
    let first = select(pair, 2u * pair, IS_INTERLEAVED);
    let second = select(pair + PAIRS, 2u * pair + 1u, IS_INTERLEAVED);
    var a = qkv[start + first];
    var b = qkv[start + second];
    if (HAS_QK_NORM) {
      a *= scale * norms[norm + first];
      b *= scale * norms[norm + second];
    }
    let angle = angle_of(position, frequencies[pair]);
    let c = select(1.0, cos(angle) * ATTENTION_FACTOR, is_rotated);
    let s = select(0.0, sin(angle) * ATTENTION_FACTOR, is_rotated);
    qkv[start + first] = a * c - b * s;
    qkv[start + second] = a * s + b * c;
  }
  if (HAS_QK_NORM) {
    // Dimensions that are not rotated are normed all the same.
    for (var i = ROPE_DIM + invocation.local_index; i < HEAD_DIM; i += WORKGROUP_SIZE) {
      qkv[start + i] *= scale * norms[norm + i];
    }
  }
}
