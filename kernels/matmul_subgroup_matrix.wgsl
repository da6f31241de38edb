// Y = X Wᵀ on matrix units: f16 × f16 summed in f32, 16 × 16 × 16 a step, tiles of 128 rows and 64 tokens.
//   input [num_tokens, 4 vectors]   W [rows, 8 units]   grid: rows / 128, num_tokens / 64
// Inputs are scaled down on their way to f16, whose largest value some models' activations exceed.
// Four subgroups of 32, each with 64 tokens and 32 rows. STRIDE is at least 32, the columns of a tile.
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
#include "common/shape.wgsl"
#include "common/step.wgsl"
#include <weights>
#include <output>

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> shape: Shape;
@group(0) @binding(3) var<uniform> step: Step;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;

const TILE_ROWS = 128u;
const TILE_TOKENS = 64u;
const TILE_COLUMNS = 32u;
const SUBGROUP_ROWS = 32u;
const INPUT_SCALE = 1.0 / 16.0;

var<workgroup> weight_tile: array<f16, TILE_ROWS * STRIDE>;
var<workgroup> input_tile: array<f16, TILE_TOKENS * STRIDE>;
// One 16 × 16 result of each subgroup.
var<workgroup> result_tile: array<f32, 4u * 256u>;

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let subgroup = index / 32u;
  let first_row = workgroup.x * TILE_ROWS;
  let first_token = workgroup.y * TILE_TOKENS;

  // [4 tiles of tokens, 2 tiles of rows]
  var results: array<Result, 8>;
  for (var column = 0u; column < 4u * shape.vectors; column += TILE_COLUMNS) {
    load_weights(first_row, index, column);
    load_inputs(first_token, index, column);
    workgroupBarrier();
    for (var k = 0u; k < TILE_COLUMNS; k += 16u) {
      for (var j = 0u; j < 2u; j++) {
        let at = (subgroup * SUBGROUP_ROWS + 16u * j) * STRIDE + k;
        let right = subgroupMatrixLoad<Right, col_major>(&weight_tile, at, STRIDE);
        for (var i = 0u; i < 4u; i++) {
          let left = subgroupMatrixLoad<Left, row_major>(&input_tile, 16u * i * STRIDE + k, STRIDE);
          results[2u * i + j] = subgroupMatrixMultiplyAccumulate(left, right, results[2u * i + j]);
        }
      }
    }
    // The next tiles overwrite these.
    workgroupBarrier();
  }

  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 2u; j++) {
      subgroupMatrixStore<row_major>(&result_tile, 256u * subgroup, results[2u * i + j], 16u);
      workgroupBarrier();
      let row = first_row + subgroup * SUBGROUP_ROWS + 16u * j;
      store_result(256u * subgroup, lane, first_token + 16u * i, row / 2u);
      // The next result overwrites this one.
      workgroupBarrier();
    }
  }
}

// Each invocation decodes 32 weights of one row.
fn load_weights(first_row: u32, index: u32, column: u32) {
  let row = min(first_row + index, shape.rows - 1u) * shape.units;
  for (var i = 0u; i < TILE_COLUMNS / 8u; i++) {
    let unit = column / 8u + i;
    let at = index * STRIDE + 8u * i;
    var lo = vec4<f16>();
    var hi = vec4<f16>();
    if (unit < shape.units) {
      let weights = weights_at(row + unit);
      lo = vec4<f16>(weights.lo);
      hi = vec4<f16>(weights.hi);
    }
    for (var j = 0u; j < 4u; j++) {
      weight_tile[at + j] = lo[j];
      weight_tile[at + 4u + j] = hi[j];
    }
  }
}

// Each invocation loads 16 values of one token.
fn load_inputs(first_token: u32, index: u32, column: u32) {
  let token = min(first_token + index / 2u, step.num_tokens - 1u) * shape.vectors;
  for (var i = 0u; i < 4u; i++) {
    let vector_in_tile = 4u * (index % 2u) + i;
    let vector = column / 4u + vector_in_tile;
    var values = vec4<f16>();
    if (vector < shape.vectors) { values = vec4<f16>(INPUT_SCALE * input[token + vector]); }
    let at = index / 2u * STRIDE + 4u * vector_in_tile;
    for (var j = 0u; j < 4u; j++) {
      input_tile[at + j] = values[j];
    }
  }
}

// 16 tokens × 8 pairs of rows from workgroup memory, 4 of them a lane.
fn store_result(start: u32, lane: u32, first_token: u32, first_pair: u32) {
  for (var i = lane; i < 128u; i += 32u) {
    let token = i / 8u;
    let at = start + 16u * token + 2u * (i % 8u);
    if (first_token + token < step.num_tokens) {
      let values = vec2(result_tile[at], result_tile[at + 1u]) / INPUT_SCALE;
      store(first_token + token, first_pair + i % 8u, values);
    }
  }
}
