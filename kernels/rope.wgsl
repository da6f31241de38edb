// Rotary position embedding of queries and keys in place, after the optional RMS norm of each head (QK-norm).
// One workgroup per head and token; invocations take rotated pairs.
//   qkv [tokens, QKV_SIZE]: NUM_HEADS queries, NUM_KV_HEADS keys, NUM_KV_HEADS values of HEAD_DIM
//   frequencies [ROPE_DIM / 2]: turns per position, a 64-bit binary fraction (high word, low word)
//   norms [2, HEAD_DIM]: weights of the query norm and the key norm   grid: heads with keys, tokens
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include "common/angle.wgsl"
#include <reduce>
#include <unturned_query>

@group(0) @binding(0) var<storage, read> frequencies: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(0) @binding(2) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

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
  // Keys that may move to other positions have their head's slots for positions, and so has its query.
  let kv_head = min(head / (NUM_HEADS / NUM_KV_HEADS), NUM_KV_HEADS - 1u);
  let first = select(slots_of(heads[kv_head], step.first_position), step.first_position, ROTATES_KEYS);
  let position = (first + token) % PERIOD;
  // They are cached before rotation: rotate_keys.wgsl turns them.
  let is_rotated = ROTATES_KEYS || head < NUM_HEADS;
  for (var pair = invocation.local_index; pair < PAIRS; pair += WORKGROUP_SIZE) {
    let near = select(pair, 2u * pair, IS_INTERLEAVED);
    let far = select(pair + PAIRS, 2u * pair + 1u, IS_INTERLEAVED);
    var a = qkv[start + near];
    var b = qkv[start + far];
    keep_unturned(head, near, a);
    keep_unturned(head, far, b);
    if (HAS_QK_NORM) {
      a *= scale * norms[norm + near];
      b *= scale * norms[norm + far];
    }
    let angle = angle_of(position, frequencies[pair]);
    let c = select(1.0, cos(angle) * ATTENTION_FACTOR, is_rotated);
    let s = select(0.0, sin(angle) * ATTENTION_FACTOR, is_rotated);
    qkv[start + near] = a * c - b * s;
    qkv[start + far] = a * s + b * c;
  }
  // Dimensions that are not rotated are normed all the same.
  for (var i = ROPE_DIM + invocation.local_index; i < HEAD_DIM; i += WORKGROUP_SIZE) {
    keep_unturned(head, i, qkv[start + i]);
    if (HAS_QK_NORM) { qkv[start + i] *= scale * norms[norm + i]; }
  }
}
