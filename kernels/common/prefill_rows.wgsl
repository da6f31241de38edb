// What the kernels of prefill attention share: their bindings, the query rows of a workgroup, which are the tokens and heads
// of one GQA group, and the slots that these rows see.
//   qkv [tokens, QKV_SIZE]   keys, values [rows, HEAD_DIM]   output [tokens, NUM_HEADS * HEAD_DIM]
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include <blocks>
#include <span>
#include <row_lse>
#include <key_bias>
#include <key_cache> as key
#include <value_cache> as value

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read> values: array<value_Word>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> step: Step;
@group(0) @binding(5) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
// Below every score, yet far enough above MASKED that exp2(MASKED - LOWEST) is 0: rows may begin with masked keys.
const LOWEST = -1e30;
const MASKED = -3e38;
const LOG2_E = 1.4426950408889634;

struct Rows {
  first: u32,       // of the grid's rows, which those in front of the pass's belong to
  front: u32,
  first_slot: u32,  // of the pass, in its KV head
  length: u32,
}

fn rows_of(workgroup: vec3<u32>, num_workgroups: vec3<u32>) -> Rows {
  // The last rows see the most keys: they go first, so that none is left working alone at the end.
  let first = (num_workgroups.x - 1u - workgroup.x) * ROWS;
  let head = heads[workgroup.y];
  return Rows(
    first, rows_in_front(), slots_of(head, step.first_slot), slots_of(head, step.cache_length));
}

// The pass's row that is the index-th of the workgroup; one of its own where there is none.
fn row_at(rows: Rows, index: u32) -> u32 {
  let count = step.num_tokens * GROUP_SIZE;
  return clamp(rows.first + index, rows.front, rows.front + count - 1u) - rows.front;
}

fn is_own_row(rows: Rows, index: u32, row: u32) -> bool {
  return rows.first + index == rows.front + row;
}

fn first_token_of(rows: Rows) -> u32 {
  return (max(rows.first, rows.front) - rows.front) / GROUP_SIZE;
}

// Slots that a token sees, in front of their span's end.
fn seen_by(rows: Rows, token: u32) -> u32 {
  // Where slots are no part of the pass's own, every query sees all of them.
  return select(rows.length, rows.first_slot + token + 1u, IS_CAUSAL);
}

// Slots that any of the rows sees, in tiles of so many.
fn span_of(rows: Rows, tile: u32) -> Span {
  let last_token = min((rows.first + ROWS - 1u - rows.front) / GROUP_SIZE, step.num_tokens - 1u);
  let end = span_end(seen_by(rows, last_token));
  var start = SPAN_START;
  if (WINDOW > 0u) {
    start = rows.first_slot + first_token_of(rows) + 1u;
    start = select(0u, (start - WINDOW) / tile * tile, start > WINDOW);
    start = clamp(start, SPAN_START, end);
  }
  return Span(start, end, tile);
}
