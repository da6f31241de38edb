// Attention of a workgroup's rows to every slot of its span, tile by tile.

// Rows of the grid in front of the pass's first.
fn rows_in_front() -> u32 {
  return 0u;
}

// Slots from `start` to `end`, in tiles of `tile` slots.
struct Span { start: u32, end: u32, tile: u32 }

struct Tiles { start: u32, tile: u32, count: u32 }

fn tiles_of(kv_head: u32, first_row: u32, span: Span) -> Tiles {
  return Tiles(span.start, span.tile, (span.end - span.start + span.tile - 1u) / span.tile);
}

fn tile_start(tiles: Tiles, n: u32) -> u32 {
  return tiles.start + n * tiles.tile;
}
