// Y = X Wᵀ for processors whose subgroups are the lanes of a CPU's vector unit, where every load costs a gather.
//   input [num_tokens, 4 vectors]   W [rows, 8 units]   grid: pairs of rows / WORKGROUP_SIZE, num_tokens / 16
// A lane computes two rows for 16 tokens. The inputs are loaded by the first 8 lanes, one token each, and broadcast.
enable subgroups;
#include "common/shape.wgsl"
#include "common/step.wgsl"
#include <weights>
#include <output>

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> shape: Shape;
@group(0) @binding(3) var<uniform> step: Step;

const TILE_TOKENS = 16u;

// Sums of 16 tokens for each of the two rows.
alias Sums = array<vec4<f32>, 8>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let first_token = workgroup.y * TILE_TOKENS;
  let near = min(first_token + lane % 8u, step.num_tokens - 1u) * shape.vectors;
  let far = min(first_token + lane % 8u + 8u, step.num_tokens - 1u) * shape.vectors;
  let last_row = shape.rows - 1u;
  let even_row = min(2u * id.x, last_row) * shape.units;
  let odd_row = min(2u * id.x + 1u, last_row) * shape.units;

  var sums: Sums;
  for (var unit = 0u; unit < shape.units; unit++) {
    let even = weights_at(even_row + unit);
    let odd = weights_at(odd_row + unit);
    add_products(&sums, input[near + 2u * unit], input[far + 2u * unit], even.lo, odd.lo);
    if (2u * unit + 1u < shape.vectors) {
      let hi = 2u * unit + 1u;
      add_products(&sums, input[near + hi], input[far + hi], even.hi, odd.hi);
    }
  }

  // A loop of unknown length: unrolled, its stores would take most of the time to compile.
  let num_tokens = min(step.num_tokens - first_token, TILE_TOKENS);
  for (var i = 0u; i < num_tokens; i++) {
    store(first_token + i, id.x, vec2(sums[i / 4u][i % 4u], sums[4u + i / 4u][i % 4u]));
  }
}

fn add_products(
  sums: ptr<function, Sums>,
  near: vec4<f32>,
  far: vec4<f32>,
  even: vec4<f32>,
  odd: vec4<f32>,
) {
  add_column(sums, near.x, far.x, even.x, odd.x);
  add_column(sums, near.y, far.y, even.y, odd.y);
  add_column(sums, near.z, far.z, even.z, odd.z);
  add_column(sums, near.w, far.w, even.w, odd.w);
}

fn add_column(sums: ptr<function, Sums>, near: f32, far: f32, even: f32, odd: f32) {
  let tokens = array(first_four(near), next_four(near), first_four(far), next_four(far));
  for (var i = 0u; i < 4u; i++) {
    (*sums)[i] = fma(tokens[i], vec4(even), (*sums)[i]);
    (*sums)[4u + i] = fma(tokens[i], vec4(odd), (*sums)[4u + i]);
  }
}

fn first_four(x: f32) -> vec4<f32> {
  return vec4(
    subgroupBroadcast(x, 0u),
    subgroupBroadcast(x, 1u),
    subgroupBroadcast(x, 2u),
    subgroupBroadcast(x, 3u),
  );
}

fn next_four(x: f32) -> vec4<f32> {
  return vec4(
    subgroupBroadcast(x, 4u),
    subgroupBroadcast(x, 5u),
    subgroupBroadcast(x, 6u),
    subgroupBroadcast(x, 7u),
  );
}
