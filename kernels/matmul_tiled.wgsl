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
    let columns = min(4u * shape.vectors - 8u * unit, 8u * TILE_UNITS);
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
  if (unit >= shape.units) { return; }
  let four = 4u * group + vec4(0u, 1u, 2u, 3u);
  let rows = min(workgroup.x * TILE + four, vec4(shape.rows - 1u)) * shape.units + unit;
  let tokens = min(workgroup.y * TILE + four, vec4(step.num_tokens - 1u)) * shape.vectors;
  let a = weights_at(rows.x);
  let b = weights_at(rows.y);
  let c = weights_at(rows.z);
  let d = weights_at(rows.w);
  let end = min(2u * unit + 2u, shape.vectors);
  for (var vector = 2u * unit; vector < end; vector++) {
    let is_hi = vector % 2u == 1u;
    let weights = transpose(mat4x4(
      select(a.lo, a.hi, is_hi),
      select(b.lo, b.hi, is_hi),
      select(c.lo, c.hi, is_hi),
      select(d.lo, d.hi, is_hi),
    ));
    let inputs = transpose(mat4x4(
      input[tokens.x + vector],
      input[tokens.y + vector],
      input[tokens.z + vector],
      input[tokens.w + vector],
    ));
    let at = 4u * (vector - 2u * first_unit) * GROUPS + group;
    for (var i = 0u; i < 4u; i++) {
      weight_tile[at + i * GROUPS] = weights[i];
      input_tile[at + i * GROUPS] = inputs[i];
    }
  }
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

// The loop ends at the last token, so it is not unrolled: on a CPU its stores would take most of the time to compile.
fn store_sums(first_token: u32, pair: u32, sums: ptr<function, Sums>) {
  for (var i = 0u; i < 8u; i++) {
    let half = i / 4u;
    let token = first_token + half * TILE / 2u + i % 4u;
    if (token >= step.num_tokens) { break; }
    store(token, pair, vec2((*sums)[4u * half][i % 4u], (*sums)[4u * half + 1u][i % 4u]));
    store(
      token,
      pair + 1u,
      vec2((*sums)[4u * half + 2u][i % 4u], (*sums)[4u * half + 3u][i % 4u]),
    );
  }
}
