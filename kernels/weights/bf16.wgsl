// BF16: a unit of 8 weights is four words of two singles without their lower 16 bits.
@group(0) @binding(QUANTS_BINDING) var<storage, read> quants: array<vec4<u32>>;

struct Unit {
  lo: vec4<f32>,
  hi: vec4<f32>,
}

fn weights_at(unit: u32) -> Unit {
  let words = quants[unit];
  let even = bitcast<vec4<f32>>(words << vec4(16u));
  let odd = bitcast<vec4<f32>>(words & vec4(0xffff0000u));
  return Unit(vec4(even.x, odd.x, even.y, odd.y), vec4(even.z, odd.z, even.w, odd.w));
}
