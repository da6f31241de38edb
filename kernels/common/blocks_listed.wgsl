// Attention of a workgroup's rows to the blocks listed for their query block and KV head, tile by tile.
//   lists [NUM_KV_HEADS, query blocks, 1 + key blocks]: how many, and which in ascending order
#include "common/block.wgsl"

@group(0) @binding(6) var<storage, read> lists: array<u32>;

// A workgroup's rows lie in one query block: those of the grid begin where a block's ROWS do.
fn rows_in_front() -> u32 {
  return rows_in_front_of_block() % ROWS;
}

fn rows_in_front_of_block() -> u32 {
  return step.first_slot % BLOCK * GROUP_SIZE;
}

struct Span { start: u32, end: u32, tile: u32 }

struct Tiles { list: u32, tile: u32, count: u32 }

fn tiles_of(kv_head: u32, first_row: u32, span: Span) -> Tiles {
  let query_block = (first_row + rows_in_front_of_block() / ROWS * ROWS) / (BLOCK * GROUP_SIZE);
  let list = (kv_head * num_query_blocks() + query_block) * (1u + num_key_blocks());
  return Tiles(list + 1u, span.tile, lists[list] * (BLOCK / span.tile));
}

fn tile_start(tiles: Tiles, n: u32) -> u32 {
  let tiles_per_block = BLOCK / tiles.tile;
  return lists[tiles.list + n / tiles_per_block] * BLOCK + n % tiles_per_block * tiles.tile;
}
