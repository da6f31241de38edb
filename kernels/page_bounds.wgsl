// Smallest and largest value of every dimension among the keys of a page, Quest's summary (arXiv:2406.10774): as two 16-bit
// floats a dimension, rounded outwards so that the bound holds. One invocation per four dimensions.
//   spilled [NUM_KV_HEADS, rows]   keys [rows, HEAD_DIM]   bounds [pages, NUM_KV_HEADS, HEAD_DIM]
//   grid: HEAD_DIM / 4 / WORKGROUP_SIZE, NUM_KV_HEADS, pages
#include "common/heads.wgsl"
#include "common/spill.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> spilled: array<u32>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read_write> bounds: array<vec4<u32>>;
@group(0) @binding(3) var<uniform> spill: Spill;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;
const LARGEST = vec4(65504.0);
// More than a 16-bit float is off by, whichever way it is rounded.
const MARGIN = 0.001953125;
const SMALLEST = 1.2e-7;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= VECTORS) { return; }
  let first = id.z * PAGE;
  let end = min(first + PAGE, spill.dropped);
  var low = vec4(3e38);
  var high = vec4(-3e38);
  for (var i = first; i < end; i++) {
    let slot = spilled[id.y * spill.rows + i];
    let row = heads[id.y].first_row + slot;
    let key = with_bias(key_load(&keys, row, id.x), id.y, slot, id.x);
    low = min(low, key);
    high = max(high, key);
  }
  low = clamp(low - abs(low) * MARGIN - SMALLEST, -LARGEST, LARGEST);
  high = clamp(high + abs(high) * MARGIN + SMALLEST, -LARGEST, LARGEST);
  bounds[((spill.first_page + id.z) * NUM_KV_HEADS + id.y) * VECTORS + id.x] = vec4(
    pack2x16float(vec2(low.x, high.x)),
    pack2x16float(vec2(low.y, high.y)),
    pack2x16float(vec2(low.z, high.z)),
    pack2x16float(vec2(low.w, high.w)),
  );
}
