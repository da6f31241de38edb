// Choosing the best of a row of items until their weights add up to what is wanted, by one workgroup: a radix select, byte
// by byte, over the items' orders and, where these are equal, their indexes. The kernel that includes this declares
//   fn order_of_item(row: u32, item: u32) -> u32    higher is better; of equal ones the lower item
//   fn weight_of_item(row: u32, item: u32) -> u32   0: not up for choice. All weights together fit in 32 bits.
#include "common/running_sum.wgsl"

var<workgroup> radix_counts: array<atomic<u32>, 256>;
var<workgroup> radix_sixteens: array<u32, 16>;           // sums of sixteen counts
var<workgroup> radix_found: vec2<u32>;                   // leading bits of the word; weight still wanted at them
var<workgroup> radix_has_rest: u32;                      // 1: more weight is at them than wanted

// The last item chosen: all that are better are chosen with it.
struct Threshold { order: u32, item: u32 }

// Unsigned integers in the order of the floats; +0 and −0 are equal.
fn order_of(x: f32) -> u32 {
  let bits = bitcast<u32>(select(x, 0.0, x == 0.0));
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

fn is_chosen(order: u32, item: u32, threshold: Threshold) -> bool {
  return order > threshold.order || (order == threshold.order && item <= threshold.item);
}

// The fewest best items whose weights reach `wanted`; every item where they do not.
fn radix_select(row: u32, num_items: u32, wanted: u32, local_index: u32) -> Threshold {
  var threshold = Threshold(0u, 0u);
  if (local_index == 0u) { radix_found = vec2(0u, wanted); }
  for (var shift = 32u; shift > 0u; ) {
    let mask = select(0xffffffffu << shift, 0u, shift == 32u);
    shift -= 8u;
    begin_count(local_index);
    let prefix = radix_found.x;
    for (var item = local_index; item < num_items; item += WORKGROUP_SIZE) {
      let order = order_of_item(row, item);
      if ((order & mask) == prefix) { count(order >> shift, weight_of_item(row, item)); }
    }
    end_count(shift, local_index);
  }
  threshold.order = radix_found.x;
  if (workgroupUniformLoad(&radix_has_rest) == 0u) {
    threshold.item = 0xffffffffu;
    return threshold;
  }
  // Lower items come first: their complements are higher. Their leading bytes that are all ones need no search.
  var shift = 32u;
  while (shift > 8u && ((num_items - 1u) >> (shift - 8u)) == 0u) { shift -= 8u; }
  if (local_index == 0u) { radix_found.x = select(0xffffffffu << shift, 0u, shift == 32u); }
  for (; shift > 0u; ) {
    let mask = select(0xffffffffu << shift, 0u, shift == 32u);
    shift -= 8u;
    begin_count(local_index);
    let prefix = radix_found.x;
    for (var item = local_index; item < num_items; item += WORKGROUP_SIZE) {
      if ((~item & mask) == prefix && order_of_item(row, item) == threshold.order) {
        count(~item >> shift, weight_of_item(row, item));
      }
    }
    end_count(shift, local_index);
  }
  threshold.item = ~radix_found.x;
  workgroupBarrier();
  return threshold;
}

fn begin_count(local_index: u32) {
  for (var i = local_index; i < 256u; i += WORKGROUP_SIZE) { atomicStore(&radix_counts[i], 0u); }
  workgroupBarrier();
}

fn count(digit: u32, weight: u32) {
  atomicAdd(&radix_counts[digit & 255u], weight);
}

// In which bucket does the wanted weight end?
fn end_count(shift: u32, local_index: u32) {
  workgroupBarrier();
  for (var i = local_index; i < 16u; i += WORKGROUP_SIZE) {
    var sum = 0u;
    for (var bucket = 16u * i; bucket < 16u * i + 16u; bucket++) { sum += atomicLoad(&radix_counts[bucket]); }
    radix_sixteens[i] = sum;
  }
  workgroupBarrier();
  if (local_index == 0u) {
    var remaining = radix_found.y;
    var sixteen = 15u;
    while (sixteen > 0u && radix_sixteens[sixteen] < remaining) {
      remaining -= radix_sixteens[sixteen];
      sixteen--;
    }
    var bucket = 16u * sixteen + 15u;
    while (bucket > 16u * sixteen && atomicLoad(&radix_counts[bucket]) < remaining) {
      remaining -= atomicLoad(&radix_counts[bucket]);
      bucket--;
    }
    radix_found = vec2(radix_found.x | (bucket << shift), remaining);
    radix_has_rest = u32(atomicLoad(&radix_counts[bucket]) > remaining);
  }
  workgroupBarrier();
}
