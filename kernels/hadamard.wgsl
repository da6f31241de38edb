// Hadamard rotation in place, QuaRot's (arXiv:2404.00456): spreads what a few dimensions hold over all of a block, so that
// blocks quantise better. H is symmetric and orthonormal: applied twice it is undone, and q·k stays as it was. One
// invocation per block of BLOCK values, the largest power of two that divides a head.
//   rows [tokens, ROW_SIZE]: NUM_HEADS heads of HEAD_DIM from FIRST_HEAD on   grid: blocks of a token / WORKGROUP_SIZE, tokens
#include "common/step.wgsl"
#include <bound>

@group(0) @binding(0) var<storage, read_write> rows: array<f32>;
@group(0) @binding(1) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= NUM_HEADS * HEAD_DIM / BLOCK || id.y >= step.num_tokens) { return; }
  let start = id.y * ROW_SIZE + FIRST_HEAD * HEAD_DIM + id.x * BLOCK;
  var values: array<f32, BLOCK>;
  for (var i = 0u; i < bound(BLOCK); i++) { values[i] = rows[start + i] * SCALE; }
  for (var half = 1u; half < BLOCK; half *= 2u) {
    for (var i = 0u; i < bound(BLOCK / 2u); i++) {
      let first = i / half * 2u * half + i % half;
      let a = values[first];
      let b = values[first + half];
      values[first] = a + b;
      values[first + half] = a - b;
    }
  }
  for (var i = 0u; i < bound(BLOCK); i++) { rows[start + i] = values[i]; }
}
