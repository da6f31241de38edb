// The bias of a model's keys, which the cache holds their rows without: its entries may be a hundred times as large as what they
// are added to, and rounding would go by them. RoPE is linear: R(p) (k + b) = R(p) k + R(p) b, and the second term depends on
// position and KV head alone. It is added to a key where that has been loaded.
//   key_bias [NUM_KV_HEADS, HEAD_DIM], in front of RoPE   bias_frequencies: see common/angle.wgsl
#include "common/angle.wgsl"
#include <key_place>

@group(0) @binding(KEY_BIAS_BINDING) var<uniform> key_bias: array<vec4<f32>, NUM_KV_HEADS * HEAD_DIM / 4u>;
@group(0) @binding(KEY_BIAS_BINDING + 1u) var<storage, read> bias_frequencies: array<vec2<u32>>;

const HAS_KEY_BIAS = true;
const BIAS_PAIRS = BIAS_ROPE_DIM / 2u;

fn bias_value(kv_head: u32, dimension: u32) -> f32 {
  return key_bias[kv_head * (HEAD_DIM / 4u) + dimension / 4u][dimension % 4u];
}

// Vector i of the bias as a slot's position turns it.
fn turned_bias(kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  let own = key_bias[kv_head * (HEAD_DIM / 4u) + i];
  let dimensions = 4u * i + vec4(0u, 1u, 2u, 3u);
  // Dimensions that are not turned may stand in for any.
  let turned = min(dimensions, vec4(BIAS_ROPE_DIM - 1u));
  var is_first = turned < vec4(BIAS_PAIRS);
  var pairs = select(turned - BIAS_PAIRS, turned, is_first);
  var others = select(turned - BIAS_PAIRS, turned + BIAS_PAIRS, is_first);
  if (BIAS_IS_INTERLEAVED) {
    is_first = (turned & vec4(1u)) == vec4(0u);
    pairs = turned / 2u;
    others = turned ^ vec4(1u);
  }
  let other = vec4(
    bias_value(kv_head, others.x),
    bias_value(kv_head, others.y),
    bias_value(kv_head, others.z),
    bias_value(kv_head, others.w),
  );
  let position = place_of(kv_head, slot) % BIAS_PERIOD;
  let angles = vec4(
    angle_of(position, bias_frequencies[pairs.x]),
    angle_of(position, bias_frequencies[pairs.y]),
    angle_of(position, bias_frequencies[pairs.z]),
    angle_of(position, bias_frequencies[pairs.w]),
  );
  let rotated = BIAS_FACTOR * (own * cos(angles) + select(other, -other, is_first) * sin(angles));
  return select(own, rotated, dimensions < vec4(BIAS_ROPE_DIM));
}

fn with_bias(key: vec4<f32>, kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  return key + turned_bias(kv_head, slot, i);
}
