// Y = X Wᵀ: tiles of 64 rows and 64 tokens through workgroup memory, 8 × 8 sums in the registers of each invocation.
//   input [num_tokens, 4 vectors]   W [rows, 8 units]   grid: rows / 64, num_tokens / 64
#include "common/shape.wgsl"
#include "common/step.wgsl"
#include <weights>
#include <output>

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> shape: Shape;
@group(0) @binding(3) var<uniform> step: Step;

const TILE = 64u;
const GROUPS = TILE / 4u;
const TILE_UNITS = 4u;

// [32 columns, 16 groups] vec4s of 4 rows or 4 tokens: transposed, so that a column's values load as vectors.
var<workgroup> weight_tile: array<vec4<f32>, 8u * TILE_UNITS * GROUPS>;
var<workgroup> input_tile: array<vec4<f32>, 8u * TILE_UNITS * GROUPS>;

// Sums of 8 tokens for each of 4 rows.
alias Sums = array<vec4<f32>, 8>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let row_group = index % 8u;
  let token_group = index / 8u;
  var near: Sums;
  var far: Sums;
  for (var unit = 0u; unit < shape.units; unit += TILE_UNITS) {
    load_tiles(workgroup, index, unit);
    workgroupBarrier();
    let columns = 8u * min(shape.units - unit, TILE_UNITS);
    for (var column = 0u; column < columns; column++) {
      let row = column * GROUPS + row_group;
      let token = column * GROUPS + token_group;
      let first_tokens = input_tile[token];
      let last_tokens = input_tile[token + GROUPS / 2u];
      add_products(&near, weight_tile[row], first_tokens, last_tokens);
      add_products(&far, weight_tile[row + GROUPS / 2u], first_tokens, last_tokens);
    }
    // The next tile overwrites this one.
    workgroupBarrier();
  }
  let pair = (workgroup.x * TILE + 4u * row_group) / 2u;
  let token = workgroup.y * TILE + 4u * token_group;
  store_sums(token, pair, &near);
  store_sums(token, pair + TILE / 4u, &far);
}

// Each invocation transposes one unit of 4 rows and one of 4 tokens.
fn load_tiles(workgroup: vec3<u32>, index: u32, first_unit: u32) {
  let group = index / TILE_UNITS;
  let unit = first_unit + index % TILE_UNITS;
  let at = 8u * (index % TILE_UNITS) * GROUPS + group;
  if (unit >= shape.units) { return; }
  let rows = min(
    workgroup.x * TILE + 4u * group + vec4(0u, 1u, 2u, 3u),
    vec4(shape.rows - 1u),
  ) * shape.units + unit;
  let a = weights_at(rows.x);
  let b = weights_at(rows.y);
  let c = weights_at(rows.z);
  let d = weights_at(rows.w);
  let lo = transpose(mat4x4(a.lo, b.lo, c.lo, d.lo));
  let hi = transpose(mat4x4(a.hi, b.hi, c.hi, d.hi));
  let tokens = min(
    workgroup.y * TILE + 4u * group + vec4(0u, 1u, 2u, 3u),
    vec4(step.num_tokens - 1u),
  ) * shape.vectors;
  let input_lo = inputs_at(tokens, 2u * unit);
  let input_hi = inputs_at(tokens, 2u * unit + 1u);
  for (var i = 0u; i < 4u; i++) {
    weight_tile[at + i * GROUPS] = lo[i];
    weight_tile[at + (i + 4u) * GROUPS] = hi[i];
    input_tile[at + i * GROUPS] = input_lo[i];
    input_tile[at + (i + 4u) * GROUPS] = input_hi[i];
  }
}

// Column i holds value i of the vector for the 4 tokens.
fn inputs_at(tokens: vec4<u32>, vector: u32) -> mat4x4<f32> {
  if (vector >= shape.vectors) { return mat4x4<f32>(); }
  return transpose(mat4x4(
    input[tokens.x + vector],
    input[tokens.y + vector],
    input[tokens.z + vector],
    input[tokens.w + vector],
  ));
}

fn add_products(
  sums: ptr<function, Sums>,
  rows: vec4<f32>,
  first_tokens: vec4<f32>,
  last_tokens: vec4<f32>,
) {
  (*sums)[0] = fma(first_tokens, vec4(rows.x), (*sums)[0]);
  (*sums)[1] = fma(first_tokens, vec4(rows.y), (*sums)[1]);
  (*sums)[2] = fma(first_tokens, vec4(rows.z), (*sums)[2]);
  (*sums)[3] = fma(first_tokens, vec4(rows.w), (*sums)[3]);
  (*sums)[4] = fma(last_tokens, vec4(rows.x), (*sums)[4]);
  (*sums)[5] = fma(last_tokens, vec4(rows.y), (*sums)[5]);
  (*sums)[6] = fma(last_tokens, vec4(rows.z), (*sums)[6]);
  (*sums)[7] = fma(last_tokens, vec4(rows.w), (*sums)[7]);
}

fn store_sums(first_token: u32, pair: u32, sums: ptr<function, Sums>) {
  for (var half = 0u; half < 2u; half++) {
    for (var i = 0u; i < 4u; i++) {
      let token = first_token + half * TILE / 2u + i;
      if (token < step.num_tokens) {
        store(token, pair, vec2((*sums)[4u * half][i], (*sums)[4u * half + 1u][i]));
        store(token, pair + 1u, vec2((*sums)[4u * half + 2u][i], (*sums)[4u * half + 3u][i]));
      }
    }
  }
}
