// As block_rows_antidiagonal.wgsl, on matrix units: f16 × f16 summed in f32, SIDE × SIDE × SIDE a step. STRIDE queries in reversed
// order, one behind the other, are one row of a matrix, and STRIDE keys one of another: their product's entries are the sums along
// the antidiagonals. A workgroup holds the rows of QUERY_BLOCKS query blocks and goes through BLOCKS key blocks at once; SIDE
// dimensions of PLACES tokens of every stride pass at a time. Queries are scaled behind the product, not before: as they come they round least.
//   grid: key blocks / BLOCKS, query blocks / QUERY_BLOCKS, NUM_KV_HEADS
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"
#include "common/heads.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

alias Left = subgroup_matrix_left<f16, SIDE, SIDE>;
alias Right = subgroup_matrix_right<f16, SIDE, SIDE>;
alias Result = subgroup_matrix_result<f32, SIDE, SIDE>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;
const LARGEST = vec4(65504.0);
const STRIDES = BLOCK / STRIDE;               // rows and columns of a block
const TILE_BLOCKS = SIDE / STRIDES;           // key blocks of a matrix
const STEP_BLOCKS = SUBGROUPS * TILE_BLOCKS;  // key blocks of all subgroups' matrices
const WORKGROUP = SUBGROUPS * SUBGROUP;
const FOURS = SIDE / 4u;                      // of a token, that pass at a time
const ROUNDS = STRIDE / PLACES;
// Rows that lie 16 bytes apart modulo a bank's round reach distinct banks.
const LINE = PLACES * SIDE + 8u;
const SCORE_LINE = SIDE + 8u;

var<workgroup> query_tile: array<f16, ROW_TILES * SIDE * LINE>;
var<workgroup> key_tile: array<f16, SUBGROUPS * SIDE * LINE>;
var<workgroup> score_tile: array<f32, SUBGROUPS * SIDE * SCORE_LINE>;

// The query of a row, by its place in the stride; 0 where the pass has no such token.
fn query_of(kv_head: u32, first_own: u32, row: u32, place: u32, i: u32) -> vec4<f32> {
  let own_block = first_own + row / ROWS;
  let head = kv_head * GROUP_SIZE + row % ROWS / STRIDES;
  let slot = own_block * BLOCK + row % STRIDES * STRIDE + place;
  let is_in_pass = slot >= step.first_slot && slot < step.cache_length && row < QUERY_BLOCKS * ROWS;
  let token = clamp(slot, step.first_slot, step.cache_length - 1u) - step.first_slot;
  // A row behind the last head reads some other one's.
  let query = qkv[token * (QKV_SIZE / 4u) + min(head, NUM_HEADS - 1u) * VECTORS + i];
  return select(vec4(0.0), clamp(query, -LARGEST, LARGEST), is_in_pass);
}

fn key_of(kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  let row = heads[kv_head].first_row + min(slot, step.cache_length - 1u);
  let key = with_bias(key_load(&keys, row, i), kv_head, slot, i);
  return select(vec4(0.0), clamp(key, -LARGEST, LARGEST), slot < step.cache_length);
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.z;
  let first_set = workgroup.y * QUERY_BLOCKS;
  let num_sets = min(QUERY_BLOCKS, num_query_blocks() - first_set);
  let first_own = first_query_block() + first_set;
  let subgroup = local_index / SUBGROUP;
  let first_block = workgroup.x * BLOCKS;
  let end = min(first_block + BLOCKS, num_key_blocks());
  // No row sees a block behind the last query block.
  let seen_end = first_own + num_sets;

  #repeat n STEPS
  #repeat t ROW_TILES
  var sum_$n_$t: Result;
  #end
  #end
  for (var round = 0u; round < HEAD_DIM / SIDE * ROUNDS; round++) {
    let d = round / ROUNDS;
    let first_place = round % ROUNDS * PLACES;
    #repeat n STEPS
    {
      let step_block = first_block + $nu * STEP_BLOCKS;
      workgroupBarrier();
      if ($n == 0) {
        #repeat m QUERY_LOADS
        {
          let i = local_index + $mu * WORKGROUP;
          let row = i / (PLACES * FOURS);
          let place = i / FOURS % PLACES;
          let four = i % FOURS;
          let query = vec4<f16>(query_of(kv_head, first_own, row, STRIDE - 1u - first_place - place, d * FOURS + four));
          let at = row * LINE + place * SIDE + 4u * four;
          #repeat c 4
          query_tile[at + $cu] = query[$c];
          #end
        }
        #end
      }
      if (step_block < seen_end) {
        #repeat m KEY_LOADS
        {
          let i = local_index + $mu * WORKGROUP;
          let column = i / (PLACES * FOURS);
          let place = i / FOURS % PLACES;
          let four = i % FOURS;
          let key = vec4<f16>(key_of(kv_head, step_block * BLOCK + column * STRIDE + first_place + place, d * FOURS + four));
          let at = column * LINE + place * SIDE + 4u * four;
          #repeat c 4
          key_tile[at + $cu] = key[$c];
          #end
        }
        #end
      }
      workgroupBarrier();
      // What no row sees is masked below, whatever its sums are.
      if (step_block < seen_end) {
        for (var s = 0u; s < PLACES; s++) {
          let right = subgroupMatrixLoad<Right, col_major>(&key_tile, subgroup * SIDE * LINE + s * SIDE, LINE);
          #repeat t ROW_TILES
          let left_$t = subgroupMatrixLoad<Left, row_major>(&query_tile, ($tu * LINE + s) * SIDE, LINE);
          sum_$n_$t = subgroupMatrixMultiplyAccumulate(left_$t, right, sum_$n_$t);
          #end
        }
      }
    }
    #end
  }

  #repeat n STEPS
  #repeat t ROW_TILES
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&score_tile, subgroup * SIDE * SCORE_LINE, sum_$n_$t, SCORE_LINE);
  workgroupBarrier();
  {
    let n = $nu;
    let t = $tu;
    for (var i = local_index % SUBGROUP; i < SIDE * TILE_BLOCKS; i += SUBGROUP) {
      let row = t * SIDE + i % SIDE;
      let own_row = row % STRIDES;
      let own_block = first_own + row / ROWS;
      let block = first_block + n * STEP_BLOCKS + subgroup * TILE_BLOCKS + i / SIDE;
      if (row >= num_sets * ROWS || block >= end) { continue; }
      let first_row_slot = own_block * BLOCK + own_row * STRIDE;
      let has_queries = first_row_slot + STRIDE > step.first_slot && first_row_slot < step.cache_length;
      let at = (subgroup * SIDE + i % SIDE) * SCORE_LINE + i / SIDE * STRIDES;
      var scores: array<f32, STRIDES>;
      var largest = NOTHING;
      for (var c = 0u; c < STRIDES; c++) {
        let is_seen = has_queries && block * STRIDES + c <= own_block * STRIDES + own_row;
        scores[c] = select(NOTHING, score_tile[at + c] * (SCALE * LOG2_E / f32(STRIDE)), is_seen);
        largest = max(largest, scores[c]);
      }
      var sum = 0.0;
      for (var c = 0u; c < STRIDES; c++) { sum += exp2(scores[c] - largest); }
      rows[row_index(kv_head * num_query_blocks() + first_set + row / ROWS, block, row % ROWS)] =
        select(largest + log2(sum), NOTHING, largest == NOTHING);
    }
  }
  #end
  #end
}
