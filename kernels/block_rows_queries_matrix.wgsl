// As block_rows_queries.wgsl, on matrix units: f16 × f16 summed in f32, SIDE × SIDE × SIDE a step. Each subgroup has SIDE rows,
// whose queries stay in its matrices while tiles of keys pass by; its invocations share a row's scores. Queries are scaled
// behind the product, not before: as they come they round least.
//   grid: key blocks / BLOCKS, ROWS / BLOCK, NUM_KV_HEADS
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"
#include "common/query_rows.wgsl"
#include "common/heads.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<storage, read_write> shifts: array<vec2<f32>>;
@group(0) @binding(4) var<uniform> step: Step;
@group(0) @binding(5) var<uniform> heads: array<Head, NUM_KV_HEADS>;

alias Left = subgroup_matrix_left<f16, SIDE, SIDE>;
alias Right = subgroup_matrix_right<f16, SIDE, SIDE>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;
const LARGEST = vec4(65504.0);

const WORKGROUP = BLOCK / SIDE * SUBGROUP;
const SHARERS = SUBGROUP / SIDE;      // invocations that share a row
const TILE_MATRICES = TILE / SIDE;
const FOURS = TILE / (4u * SHARERS);  // of a tile's keys, that an invocation has of its row
// Rows that lie 16 bytes apart modulo a bank's round reach distinct banks.
const STRIDE = HEAD_DIM + 8u;
const SCORE_STRIDE = TILE + 8u;

// The queries pass through it first, then the keys.
var<workgroup> tile: array<f16, BLOCK * STRIDE>;
var<workgroup> score_tile: array<f32, BLOCK * SCORE_STRIDE>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.z;
  let subgroup = local_index / SUBGROUP;
  for (var i = local_index; i < BLOCK * VECTORS; i += WORKGROUP) {
    let row = workgroup.y * BLOCK + i / VECTORS;
    let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
    let query = qkv[token_of_row(row) * (QKV_SIZE / 4u) + head * VECTORS + i % VECTORS];
    let halves = vec4<f16>(clamp(query, -LARGEST, LARGEST));
    let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
    #repeat c 4
    tile[at + $cu] = halves[$c];
    #end
  }
  workgroupBarrier();
  #repeat d HEAD_DIM / SIDE
  let query_$d = subgroupMatrixLoad<Left, row_major>(&tile, SIDE * (subgroup * STRIDE + $du), STRIDE);
  #end

  // This invocation's row, of which it has every SHARERS-th four keys.
  let row_in_tile = local_index / SHARERS;
  let share = local_index % SHARERS;
  let row = workgroup.y * BLOCK + row_in_tile;
  let query_end = end_of_row(row);
  let end = min((workgroup.x + 1u) * BLOCKS, num_key_blocks());
  for (var block = workgroup.x * BLOCKS; block < end; block++) {
    var entry = empty_entry();
    for (var first = block * BLOCK; first < (block + 1u) * BLOCK; first += TILE) {
      workgroupBarrier();
      #repeat n LOADS
      {
        let i = local_index + $nu * WORKGROUP;
        // Slots behind the end hold what an earlier pass left there; they are masked below.
        let slot = min(first + i / VECTORS, step.cache_length - 1u);
        let key = with_bias(
          key_load(&keys, heads[kv_head].first_row + slot, i % VECTORS), kv_head, slot, i % VECTORS);
        let halves = vec4<f16>(clamp(key, -LARGEST, LARGEST));
        let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
        #repeat c 4
        tile[at + $cu] = halves[$c];
        #end
      }
      #end
      workgroupBarrier();
      for (var j = 0u; j < TILE_MATRICES; j++) {
        // Not from a variable without initialiser: Dawn leaves it what it was in the turn before.
        let first_keys = subgroupMatrixLoad<Right, col_major>(&tile, SIDE * j * STRIDE, STRIDE);
        var scores = subgroupMatrixMultiply<f32>(query_0, first_keys);
        #repeat d 1..HEAD_DIM / SIDE
        let keys_$d = subgroupMatrixLoad<Right, col_major>(&tile, SIDE * (j * STRIDE + $du), STRIDE);
        scores = subgroupMatrixMultiplyAccumulate(query_$d, keys_$d, scores);
        #end
        subgroupMatrixStore<row_major>(
          &score_tile, SIDE * (subgroup * SCORE_STRIDE + j), scores, SCORE_STRIDE);
      }
      workgroupBarrier();
      for (var j = 0u; j < FOURS; j++) {
        let four = SHARERS * j + share;
        let at = row_in_tile * SCORE_STRIDE + 4u * four;
        let scores = vec4(score_tile[at], score_tile[at + 1u], score_tile[at + 2u], score_tile[at + 3u]);
        let slots = first + 4u * four + vec4(0u, 1u, 2u, 3u);
        entry = add_scores(entry, scores * (SCALE * LOG2_E), slots, query_end);
      }
    }
    if (SHARERS > 1u) {
      entry = join_entries(entry, Entry(
        subgroupShuffleXor(entry.largest, 1u),
        subgroupShuffleXor(entry.sum, 1u),
        subgroupShuffleXor(entry.farther, 1u),
        subgroupShuffleXor(entry.nearer, 1u),
      ));
    }
    if (share == 0u) {
      let index = row_index(kv_head, block, row);
      rows[index] = lse_of(entry);
      shifts[index] = shifts_of(entry);
    }
  }
}
