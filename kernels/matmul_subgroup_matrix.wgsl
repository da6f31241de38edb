// Y = X Wᵀ on matrix units: f16 × f16 summed in f32, 16 × 16 × 16 a step, through tiles in workgroup memory.
//   input [num_tokens, 4 vectors]   W [rows, 8 units]   grid: rows / TILE_ROWS, num_tokens / TILE_TOKENS
// Inputs are scaled down on their way to f16, whose largest value some models' activations exceed.
// Four subgroups of 32 in a square; each has ROW_MATRICES × TOKEN_MATRICES results. A tile is COLUMNS deep, a multiple of 16;
// its rows lie STRIDE apart, a multiple of 8.
// Everything is in `main`: only of an index that is computed there is it known that it lies within a tile, and without that each
// of a vector's four halves is clamped and stored by itself, at a third of the speed of the whole.
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

const WORKGROUP_SIZE = 128u;
const SUBGROUP_ROWS = 16u * ROW_MATRICES;
const SUBGROUP_TOKENS = 16u * TOKEN_MATRICES;
const TILE_ROWS = 2u * SUBGROUP_ROWS;
const TILE_TOKENS = 2u * SUBGROUP_TOKENS;
const ROW_UNITS = COLUMNS / 8u;
const TOKEN_VECTORS = COLUMNS / 4u;
const INPUT_SCALE = 1.0 / 16.0;

var<workgroup> weight_tile: array<f16, TILE_ROWS * STRIDE>;
var<workgroup> input_tile: array<f16, TILE_TOKENS * STRIDE>;
// One 16 × 16 result of each subgroup.
var<workgroup> result_tile: array<f32, 4u * 256u>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let subgroup = index / 32u;
  let subgroup_row = subgroup % 2u * SUBGROUP_ROWS;
  let subgroup_token = subgroup / 2u * SUBGROUP_TOKENS;
  let first_row = workgroup.x * TILE_ROWS;
  let first_token = workgroup.y * TILE_TOKENS;

  #repeat i TOKEN_MATRICES
  #repeat j ROW_MATRICES
  var result_$i_$j: Result;
  #end
  #end
  #repeat i UNITS_EACH
  let unit_item_$i = index + $iu * WORKGROUP_SIZE;
  let unit_at_$i = unit_item_$i / ROW_UNITS * STRIDE + 8u * (unit_item_$i % ROW_UNITS);
  let row_$i = min(first_row + unit_item_$i / ROW_UNITS, shape.rows - 1u);
  let unit_$i = row_$i * shape.units + unit_item_$i % ROW_UNITS;
  #end
  #repeat i VECTORS_EACH
  let vector_item_$i = index + $iu * WORKGROUP_SIZE;
  let vector_at_$i = vector_item_$i / TOKEN_VECTORS * STRIDE + 4u * (vector_item_$i % TOKEN_VECTORS);
  let token_$i = min(first_token + vector_item_$i / TOKEN_VECTORS, step.num_tokens - 1u);
  let vector_$i = token_$i * shape.vectors + vector_item_$i % TOKEN_VECTORS;
  #end
  for (var column = 0u; column < 4u * shape.vectors; column += COLUMNS) {
    // All loads in front of all stores: what takes time is waiting for them.
    #repeat i UNITS_EACH
    // Behind a row's end come weights of the next one, for inputs of zero.
    let weights_$i = weights_at(unit_$i + column / 8u);
    let lo_$i = vec4<f16>(weights_$i.lo);
    let hi_$i = vec4<f16>(weights_$i.hi);
    #end
    #repeat i VECTORS_EACH
    let is_inside_$i = column / 4u + vector_item_$i % TOKEN_VECTORS < shape.vectors;
    let loaded_$i = INPUT_SCALE * input[vector_$i + column / 4u];
    let values_$i = vec4<f16>(select(vec4(0.0), loaded_$i, is_inside_$i));
    #end
    #repeat i UNITS_EACH
    #repeat c 4
    weight_tile[unit_at_$i + $cu] = lo_$i[$c];
    #end
    #repeat c 4
    weight_tile[unit_at_$i + 4u + $cu] = hi_$i[$c];
    #end
    #end
    #repeat i VECTORS_EACH
    #repeat c 4
    input_tile[vector_at_$i + $cu] = values_$i[$c];
    #end
    #end
    workgroupBarrier();
    #repeat k COLUMNS / 16
    {
      #repeat i TOKEN_MATRICES
      let left_$i =
        subgroupMatrixLoad<Left, row_major>(&input_tile, (subgroup_token + 16u * $iu) * STRIDE + 16u * $ku, STRIDE);
      #end
      #repeat j ROW_MATRICES
      let right_$j =
        subgroupMatrixLoad<Right, col_major>(&weight_tile, (subgroup_row + 16u * $ju) * STRIDE + 16u * $ku, STRIDE);
      #repeat i TOKEN_MATRICES
      result_$i_$j = subgroupMatrixMultiplyAccumulate(left_$i, right_$j, result_$i_$j);
      #end
      #end
    }
    #end
    // The next tiles overwrite these.
    workgroupBarrier();
  }

  #repeat i TOKEN_MATRICES
  #repeat j ROW_MATRICES
  subgroupMatrixStore<row_major>(&result_tile, 256u * subgroup, result_$i_$j, 16u);
  workgroupBarrier();
  store_result(subgroup, lane, first_token + subgroup_token + 16u * $iu, (first_row + subgroup_row + 16u * $ju) / 2u);
  // The next result overwrites this one.
  workgroupBarrier();
  #end
  #end
}

// 16 tokens × 8 pairs of rows from workgroup memory, 4 of them a lane.
fn store_result(subgroup: u32, lane: u32, first_token: u32, first_pair: u32) {
  for (var i = lane; i < 128u; i += 32u) {
    let token = i / 8u;
    let at = 256u * subgroup + 16u * token + 2u * (i % 8u);
    if (first_token + token < step.num_tokens) {
      let values = vec2(result_tile[at], result_tile[at + 1u]) / INPUT_SCALE;
      store(first_token + token, first_pair + i % 8u, values);
    }
  }
}
