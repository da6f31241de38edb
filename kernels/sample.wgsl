// Draws the next token from the last token's logits and hands it to the next pass, all on the GPU. One workgroup.
// In this order: repetition penalty, temperature, top-k, top-p, min-p; temperature 0 takes the largest logit, of equal
// ones the lowest token. Tokens as probable as the last one kept are kept too.
//   logits [VOCAB_SIZE]   seen: a bit per token   token: input of the next pass   drawn: ring of drawn tokens by slot
#include <reduce>
#include "common/step.wgsl"

struct Sampling {
  temperature: f32,         // 0: greedy
  top_k: u32,               // 0: all
  top_p: f32,               // 1: all
  min_p: f32,               // 0: all
  repetition_penalty: f32,  // 1: none
  seed: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> seen: array<u32>;
@group(0) @binding(2) var<storage, read_write> token: array<u32>;
@group(0) @binding(3) var<storage, read_write> drawn: array<u32>;
@group(0) @binding(4) var<storage, read_write> step: Step;
@group(0) @binding(5) var<uniform> sampling: Sampling;

const LOWEST = -3e38;
const RANGE = (VOCAB_SIZE + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;

var<workgroup> range_sums: array<f32, WORKGROUP_SIZE>;
var<workgroup> chosen_range: u32;
var<workgroup> chosen_target: f32;

fn score_at(i: u32) -> f32 {
  var score = logits[i];
  if (sampling.repetition_penalty != 1.0 && ((seen[i / 32u] >> (i % 32u)) & 1u) == 1u) {
    score *= select(sampling.repetition_penalty, 1.0 / sampling.repetition_penalty, score > 0.0);
  }
  return select(score, score / sampling.temperature, sampling.temperature > 0.0);
}

// Unsigned integers in the order of the floats.
fn order_of(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// Sums of the weights (or the numbers) of the tokens whose score is at least each of `lowest` in order.
fn masses_from(lowest: vec3<u32>, largest: f32, counts: bool, invocation: Invocation) -> vec3<f32> {
  var masses = vec3(0.0);
  for (var i = invocation.local_index; i < VOCAB_SIZE; i += WORKGROUP_SIZE) {
    let score = score_at(i);
    let weight = select(exp(score - largest), 1.0, counts);
    masses += select(vec3(0.0), vec3(weight), vec3(order_of(score)) >= lowest);
  }
  return vec3(
    workgroup_sum(masses.x, invocation),
    workgroup_sum(masses.y, invocation),
    workgroup_sum(masses.z, invocation),
  );
}

// The highest order from which the mass reaches `goal`, two bits at a time; `bits` is 32, or 0 to keep all.
fn threshold_of(
  goal: f32,
  bits: u32,
  largest: f32,
  counts: bool,
  invocation: Invocation,
) -> u32 {
  var threshold = 0u;
  for (var shift = bits; shift > 0u; ) {
    shift -= 2u;
    let lowest = vec3(threshold) | (vec3(1u, 2u, 3u) << vec3(shift));
    let masses = masses_from(lowest, largest, counts, invocation);
    // Higher ones have no more mass.
    for (var i = 0u; i < 3u; i++) {
      if (masses[i] >= goal) { threshold = lowest[i]; }
    }
  }
  return threshold;
}

// A number in [0, 1) that depends on seed and position alone (PCG hash).
fn random(position: u32) -> f32 {
  let state = (sampling.seed ^ (position * 2654435769u)) * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return f32(((word >> 22u) ^ word) >> 8u) * 5.9604644775390625e-8;
}

fn hand_on(next: u32) {
  token[0] = next;
  seen[next / 32u] |= 1u << (next % 32u);
  step.first_position += 1u;
  step.first_slot += 1u;
  step.cache_length += 1u;
  drawn[step.first_slot % DRAWN_SIZE] = next;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
  let local_index = invocation.local_index;
  var own = LOWEST;
  var own_token = VOCAB_SIZE;
  for (var i = local_index; i < VOCAB_SIZE; i += WORKGROUP_SIZE) {
    let score = score_at(i);
    if (score > own) {
      own = score;
      own_token = i;
    }
  }
  let largest = workgroup_max(own, invocation);

  let is_greedy = sampling.temperature <= 0.0;
  if (is_greedy) {
    // Token numbers are exact in f32; the largest negative one is the lowest token.
    let lowest = workgroup_max(select(-f32(VOCAB_SIZE), -f32(own_token), own == largest), invocation);
    // Of NaN logits none is the largest: any token does, the host reports the model.
    if (local_index == 0u) { hand_on(min(u32(-lowest), VOCAB_SIZE - 1u)); }
    return;
  }

  let k_bits = select(0u, 32u, sampling.top_k > 0u && sampling.top_k < VOCAB_SIZE);
  var threshold = threshold_of(f32(sampling.top_k), k_bits, largest, true, invocation);
  let p_bits = select(0u, 32u, sampling.top_p < 1.0);
  let kept = masses_from(vec3(threshold), largest, false, invocation).x;
  threshold = max(threshold, threshold_of(sampling.top_p * kept, p_bits, largest, false, invocation));
  if (sampling.min_p > 0.0) {
    threshold = max(threshold, order_of(largest + log(sampling.min_p)));
  }

  // Each invocation sums a range of tokens; the one whose range holds the goal finds the token in it.
  let first = local_index * RANGE;
  let last = min(first + RANGE, VOCAB_SIZE);
  var sum = 0.0;
  for (var i = first; i < last; i++) {
    let score = score_at(i);
    if (order_of(score) >= threshold) { sum += exp(score - largest); }
  }
  range_sums[local_index] = sum;
  workgroupBarrier();
  if (local_index == 0u) {
    var total = 0.0;
    for (var r = 0u; r < WORKGROUP_SIZE; r++) { total += range_sums[r]; }
    var target_mass = random(step.first_position) * total;
    var range = 0u;
    for (var r = 0u; r < WORKGROUP_SIZE; r++) {
      if (range_sums[r] == 0.0) { continue; }
      range = r;
      if (target_mass < range_sums[r]) { break; }
      target_mass -= range_sums[r];
    }
    chosen_range = range;
    chosen_target = target_mass;
  }
  workgroupBarrier();
  if (local_index == chosen_range) {
    var remaining = chosen_target;
    var next = first;
    for (var i = first; i < last; i++) {
      let score = score_at(i);
      if (order_of(score) < threshold) { continue; }
      next = i;
      let weight = exp(score - largest);
      if (remaining < weight) { break; }
      remaining -= weight;
    }
    hand_on(next);
  }
}
