// A question's queries, scaled for exponents of 2, as they meet keys that are cached before RoPE (TURNS): turned back by the
// ranks that a page's keys would get if they came back, one rank for each REFERENCES-th part of the pages. Behind those the
// queries as they meet the kept keys, which the recalled ones will push on.
//   qkv [tokens, QKV_SIZE]   queries [REFERENCES + 1, NUM_HEADS, tokens, HEAD_DIM]   grid: NUM_HEADS, tokens, REFERENCES + 1
#include "common/angle.wgsl"
#include "common/question.wgsl"

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> frequencies: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> queries: array<f32>;
@group(0) @binding(3) var<uniform> question: Question;

const PAIRS = ROPE_DIM / 2u;
const LOG2_E = 1.4426950408889634;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let head = workgroup.x;
  let token = workgroup.y;
  let reference = workgroup.z;
  let source = token * QKV_SIZE + head * HEAD_DIM;
  let place = ((reference * NUM_HEADS + head) * question.num_tokens + token) * HEAD_DIM;
  let is_kept = reference == REFERENCES;
  let rank = question.first_rank
    + question.rank_span * (2u * reference + 1u) / (2u * REFERENCES);
  let turn = select(rank, question.recalled, is_kept);
  let factor = select(ATTENTION_FACTOR, 1.0, is_kept);
  for (var pair = local_index; pair < PAIRS; pair += WORKGROUP_SIZE) {
    let first = select(pair, 2u * pair, IS_INTERLEAVED);
    let second = select(pair + PAIRS, 2u * pair + 1u, IS_INTERLEAVED);
    let a = qkv[source + first] * (SCALE * LOG2_E);
    let b = qkv[source + second] * (SCALE * LOG2_E);
    let angle = angle_of(turn, frequencies[pair]);
    let c = select(1.0, cos(angle) * factor, TURNS);
    let s = select(0.0, sin(angle) * factor, TURNS);
    queries[place + first] = a * c + b * s;
    queries[place + second] = b * c - a * s;
  }
  for (var i = ROPE_DIM + local_index; i < HEAD_DIM; i += WORKGROUP_SIZE) {
    queries[place + i] = qkv[source + i] * (SCALE * LOG2_E);
  }
}
