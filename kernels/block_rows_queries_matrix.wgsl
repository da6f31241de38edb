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
const MASKED = -3e38;

const WORKGROUP = BLOCK / SIDE * SUBGROUP;
const SHARERS = SUBGROUP / SIDE;      // invocations that share a row
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
  // All loads in front of all stores here and below: what takes time is waiting for them.
  #repeat n LOADS * BLOCK / TILE
  let query_row_$n = workgroup.y * BLOCK + (local_index + $nu * WORKGROUP) / VECTORS;
  let query_head_$n = kv_head * GROUP_SIZE + query_row_$n % GROUP_SIZE;
  let query_halves_$n = vec4<f16>(clamp(
    qkv[token_of_row(query_row_$n) * (QKV_SIZE / 4u) + query_head_$n * VECTORS + (local_index + $nu * WORKGROUP) % VECTORS],
    -LARGEST, LARGEST));
  #end
  #repeat n LOADS * BLOCK / TILE
  {
    let i = local_index + $nu * WORKGROUP;
    let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
    #repeat c 4
    tile[at + $cu] = query_halves_$n[$c];
    #end
  }
  #end
  workgroupBarrier();
  #repeat d HEAD_DIM / SIDE
  let query_$d = subgroupMatrixLoad<Left, row_major>(&tile, SIDE * (subgroup * STRIDE + $du), STRIDE);
  #end
  workgroupBarrier();

  // This invocation's row, of which it has every SHARERS-th four keys.
  let row_in_tile = local_index / SHARERS;
  let share = local_index % SHARERS;
  let row = workgroup.y * BLOCK + row_in_tile;
  let query_end = end_of_row(row);
  let scores_at = row_in_tile * SCORE_STRIDE + 4u * share;
  // How far the query lies behind its first four keys of a block, in blocks.
  let offsets = (f32((query_end - 1u) % BLOCK) - (f32(4u * share) + vec4(0.0, 1.0, 2.0, 3.0))) / f32(BLOCK);
  // Every row sees the slots in front of this one.
  let common_end = end_of_row(workgroup.y * BLOCK);
  let end = min((workgroup.x + 1u) * BLOCKS, num_key_blocks());
  for (var block = workgroup.x * BLOCKS; block < end; block++) {
    var entry = empty_entry();
    for (var part = 0u; part < BLOCK / TILE; part++) {
      let first = block * BLOCK + part * TILE;
      #repeat n LOADS
      // Slots behind the end hold what an earlier pass left there; they are masked below.
      let slot_$n = min(first + (local_index + $nu * WORKGROUP) / VECTORS, step.cache_length - 1u);
      var key_$n = with_bias(
        key_load(&keys, heads[kv_head].first_row + slot_$n, (local_index + $nu * WORKGROUP) % VECTORS),
        kv_head, slot_$n, (local_index + $nu * WORKGROUP) % VECTORS);
      #end
      #repeat n LOADS
      {
        let i = local_index + $nu * WORKGROUP;
        if (!KEYS_FIT) { key_$n = clamp(key_$n, -LARGEST, LARGEST); }
        let halves = vec4<f16>(key_$n);
        let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
        #repeat c 4
        tile[at + $cu] = halves[$c];
        #end
      }
      #end
      // Whoever is behind it has read the scores of the tile before.
      workgroupBarrier();
      #repeat j TILE / SIDE
      {
        // Not from a variable without initialiser: Dawn leaves it what it was in the turn before.
        let first_keys = subgroupMatrixLoad<Right, col_major>(&tile, SIDE * $ju * STRIDE, STRIDE);
        var scores = subgroupMatrixMultiply<f32>(query_0, first_keys);
        #repeat d 1..HEAD_DIM / SIDE
        let keys_$d = subgroupMatrixLoad<Right, col_major>(&tile, SIDE * ($ju * STRIDE + $du), STRIDE);
        scores = subgroupMatrixMultiplyAccumulate(query_$d, keys_$d, scores);
        #end
        subgroupMatrixStore<row_major>(
          &score_tile, SIDE * (subgroup * SCORE_STRIDE + $ju), scores, SCORE_STRIDE);
      }
      #end
      // Whoever is behind it has read the keys.
      workgroupBarrier();

      var highest = vec4(NOTHING);
      #repeat j TILE * SIDE / SUBGROUP / 4
      var scores_$j = vec4(
        score_tile[scores_at + 4u * SHARERS * $ju],
        score_tile[scores_at + 4u * SHARERS * $ju + 1u],
        score_tile[scores_at + 4u * SHARERS * $ju + 2u],
        score_tile[scores_at + 4u * SHARERS * $ju + 3u],
      ) * (SCALE * LOG2_E);
      #end
      if (first + TILE > common_end) {
        #repeat j TILE * SIDE / SUBGROUP / 4
        scores_$j = select(
          vec4(MASKED), scores_$j,
          first + 4u * (SHARERS * $ju + share) + vec4(0u, 1u, 2u, 3u) < vec4(query_end));
        #end
      }
      #repeat j TILE * SIDE / SUBGROUP / 4
      highest = max(highest, scores_$j);
      #end
      let largest = max(entry.largest, max(max(highest.x, highest.y), max(highest.z, highest.w)));
      var sum = vec4(0.0);
      var farther = vec4(0.0);
      var nearer = vec4(0.0);
      let tile_offsets = offsets - f32(part * TILE) / f32(BLOCK);
      #repeat j TILE * SIDE / SUBGROUP / 4
      {
        let weights = exp2(scores_$j - largest);
        let behind = tile_offsets - f32(4u * SHARERS * $ju) / f32(BLOCK);
        sum += weights;
        farther += weights * saturate(behind);
        nearer += weights * saturate(-behind);
      }
      #end
      let correction = exp2(entry.largest - largest);
      entry = Entry(
        largest,
        entry.sum * correction + dot(sum, vec4(1.0)),
        entry.farther * correction + dot(farther, vec4(1.0)),
        entry.nearer * correction + dot(nearer, vec4(1.0)),
      );
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
