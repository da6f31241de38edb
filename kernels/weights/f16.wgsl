// F16: a unit of 8 weights is four words of two halves, which every adapter can unpack.
@group(0) @binding(QUANTS_BINDING) var<storage, read> quants: array<vec4<u32>>;

struct Unit {
  lo: vec4<f32>,
  hi: vec4<f32>,
}

fn weights_at(unit: u32) -> Unit {
  let words = quants[unit];
  return Unit(
    vec4(unpack2x16float(words.x), unpack2x16float(words.y)),
    vec4(unpack2x16float(words.z), unpack2x16float(words.w)),
  );
}
