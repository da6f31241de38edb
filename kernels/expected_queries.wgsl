// The queries to expect (expected attention, arXiv:2510.00636): mean and covariance of those that were sampled, turned by the
// mean of RoPE's rotations over the next positions. One workgroup per head.
//   frequencies [ROPE_DIM / 2]   moments: see query_moments.wgsl
//   expected [NUM_HEADS, HEAD_DIM + 1, HEAD_DIM]: covariance, mean   grid: NUM_HEADS
#include "common/eviction.wgsl"
#include "common/angle.wgsl"

@group(0) @binding(0) var<storage, read> frequencies: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> moments: array<f32>;
@group(0) @binding(2) var<storage, read_write> expected: array<f32>;
@group(0) @binding(3) var<uniform> eviction: Eviction;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const PAIRS = ROPE_DIM / 2u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;

// Row of the mean rotation: its diagonal, and its other value, in the column of the pair's other dimension.
struct Turn { own: f32, other: f32, partner: u32 }

var<workgroup> turns: array<Turn, HEAD_DIM>;

fn set_turns(pair: u32, first_position: u32) {
  var cosine = 0.0;
  var sine = 0.0;
  for (var i = 0u; i < FUTURE_POSITIONS; i++) {
    let angle = angle_of(first_position + i, frequencies[pair]);
    cosine += cos(angle);
    sine += sin(angle);
  }
  let scale = ATTENTION_FACTOR / f32(FUTURE_POSITIONS);
  let near = select(pair, 2u * pair, IS_INTERLEAVED);
  let far = select(pair + PAIRS, 2u * pair + 1u, IS_INTERLEAVED);
  turns[near] = Turn(cosine * scale, -sine * scale, far);
  turns[far] = Turn(cosine * scale, sine * scale, near);
}

fn covariance(start: u32, a: u32, b: u32) -> f32 {
  let sums = start + HEAD_DIM * HEAD_DIM;
  let number = max(1.0, moments[sums + HEAD_DIM]);
  let product = moments[start + a * HEAD_DIM + b] / number;
  return product - moments[sums + a] / number * (moments[sums + b] / number);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let head = workgroup.x;
  let length = slots_of(heads[head / GROUP_SIZE], eviction.length);
  let first_position = select(eviction.tokens_read, length, MOVES_KEYS);
  for (var pair = local_index; pair < PAIRS; pair += WORKGROUP_SIZE) {
    set_turns(pair, first_position);
  }
  for (var i = ROPE_DIM + local_index; i < HEAD_DIM; i += WORKGROUP_SIZE) { turns[i] = Turn(1.0, 0.0, i); }
  workgroupBarrier();
  let start = head * (HEAD_DIM + 2u) * HEAD_DIM;
  let target_start = head * (HEAD_DIM + 1u) * HEAD_DIM;
  for (var i = local_index; i < HEAD_DIM * HEAD_DIM; i += WORKGROUP_SIZE) {
    let a = turns[i / HEAD_DIM];
    let b = turns[i % HEAD_DIM];
    let row = i / HEAD_DIM;
    let column = i % HEAD_DIM;
    expected[target_start + i] =
      a.own * (b.own * covariance(start, row, column) + b.other * covariance(start, row, b.partner))
      + a.other * (b.own * covariance(start, a.partner, column)
        + b.other * covariance(start, a.partner, b.partner));
  }
  let sums = start + HEAD_DIM * HEAD_DIM;
  for (var i = local_index; i < HEAD_DIM; i += WORKGROUP_SIZE) {
    let number = max(1.0, moments[sums + HEAD_DIM]);
    let turn = turns[i];
    expected[target_start + HEAD_DIM * HEAD_DIM + i] =
      (turn.own * moments[sums + i] + turn.other * moments[sums + turn.partner]) / number;
  }
}
