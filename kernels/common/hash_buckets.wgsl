// Reformer's hash (arXiv:2001.04451): a token's bucket is the largest of [xR; -xR].

// Products of a token with the 8 columns of a round's rotation.
struct Products { near: vec4<f32>, far: vec4<f32> }

// The largest of 8 products and their negatives; of equal ones the first.
fn bucket_of(products: Products) -> u32 {
  var bucket = 0u;
  var largest = products.near.x;
  for (var i = 1u; i < HASH_BUCKETS; i++) {
    let group = select(products.far, products.near, (i & 4u) == 0u);
    let value = select(group[i & 3u], -group[i & 3u], i >= HASH_BUCKETS / 2u);
    if (value > largest) {
      largest = value;
      bucket = i;
    }
  }
  return bucket;
}
