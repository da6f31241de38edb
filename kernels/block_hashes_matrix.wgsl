// As block_hashes.wgsl, on matrix units: f16 × f16 summed in f32, SIDE × SIDE × SIDE a step. Rotations stay in every subgroup's
// matrices; each subgroup has SIDE tokens, whose products with SIDE columns are shared by its invocations, a round for each.
// Rotations are f16 numbers to begin with, keys in the cache nearly are: what is rounded are queries.
//   grid: blocks, NUM_KV_HEADS
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/hash_buckets.wgsl"
#include <tokens>

@group(0) @binding(0) var<storage, read> rotations: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> hashes: array<u32>;
@group(0) @binding(2) var<uniform> step: Step;

alias Left = subgroup_matrix_left<f16, SIDE, SIDE>;
alias Right = subgroup_matrix_right<f16, SIDE, SIDE>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LARGEST = vec4(65504.0);
const COUNTERS = HASH_ROUNDS * HASH_BUCKETS;
const COLUMNS = HASH_ROUNDS * 8u;

const WORKGROUP = BLOCK / SIDE * SUBGROUP;
const SHARERS = SUBGROUP / SIDE;  // invocations that share a token, and rounds of a matrix
// Rows that lie 16 bytes apart modulo a bank's round reach distinct banks.
const STRIDE = HEAD_DIM + 8u;
const PRODUCT_STRIDE = SIDE + 8u;

// The rotations pass through it first, then the tokens.
var<workgroup> tile: array<f16, BLOCK * STRIDE>;
var<workgroup> product_tile: array<f32, BLOCK * PRODUCT_STRIDE>;
var<workgroup> counters: array<atomic<u32>, COUNTERS>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.y;
  let subgroup = local_index / SUBGROUP;
  for (var i = local_index; i < COUNTERS; i += WORKGROUP) { atomicStore(&counters[i], 0u); }
  for (var i = local_index; i < COLUMNS * VECTORS; i += WORKGROUP) {
    let halves = vec4<f16>(rotations[i]);
    let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
    #repeat c 4
    tile[at + $cu] = halves[$c];
    #end
  }
  workgroupBarrier();
  #repeat m COLUMN_MATRICES
  #repeat d HEAD_DIM / SIDE
  let columns_$m_$d = subgroupMatrixLoad<Right, col_major>(&tile, SIDE * ($mu * STRIDE + $du), STRIDE);
  #end
  #end

  let token = local_index / SHARERS;
  let share = local_index % SHARERS;
  let is_filled = is_token(workgroup.x, token);
  for (var member = 0u; member < vectors_of_token(); member++) {
    workgroupBarrier();
    #repeat n LOADS
    {
      let i = local_index + $nu * WORKGROUP;
      let vector = load_token(kv_head, member, workgroup.x, i / VECTORS, i % VECTORS);
      let halves = vec4<f16>(clamp(vector, -LARGEST, LARGEST));
      let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
      #repeat c 4
      tile[at + $cu] = halves[$c];
      #end
    }
    #end
    workgroupBarrier();
    #repeat d HEAD_DIM / SIDE
    let tokens_$d = subgroupMatrixLoad<Left, row_major>(&tile, SIDE * (subgroup * STRIDE + $du), STRIDE);
    #end
    #repeat m COLUMN_MATRICES
    var products_$m = subgroupMatrixMultiply<f32>(tokens_0, columns_$m_0);
    #repeat d 1..HEAD_DIM / SIDE
    products_$m = subgroupMatrixMultiplyAccumulate(tokens_$d, columns_$m_$d, products_$m);
    #end
    #end
    #repeat m COLUMN_MATRICES
    subgroupMatrixStore<row_major>(&product_tile, SIDE * subgroup * PRODUCT_STRIDE, products_$m, PRODUCT_STRIDE);
    workgroupBarrier();
    {
      let at = token * PRODUCT_STRIDE + share * 8u;
      let bucket = bucket_of(Products(
        vec4(product_tile[at], product_tile[at + 1u], product_tile[at + 2u], product_tile[at + 3u]),
        vec4(product_tile[at + 4u], product_tile[at + 5u], product_tile[at + 6u], product_tile[at + 7u]),
      ));
      let round = $mu * SHARERS + share;
      if (is_filled) { atomicAdd(&counters[round * HASH_BUCKETS + bucket], 1u); }
    }
    workgroupBarrier();
    #end
  }
  workgroupBarrier();
  let first = (kv_head * num_blocks() + workgroup.x) * COUNTERS;
  for (var i = local_index; i < COUNTERS; i += WORKGROUP) {
    hashes[first + i] = atomicLoad(&counters[i]);
  }
}
