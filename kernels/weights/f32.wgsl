// F32: a unit of 8 weights is two vec4. `unit` counts units from the first row on.
@group(0) @binding(QUANTS_BINDING) var<storage, read> quants: array<vec4<f32>>;

struct Unit {
  lo: vec4<f32>,
  hi: vec4<f32>,
}

fn weights_at(unit: u32) -> Unit {
  return Unit(quants[2u * unit], quants[2u * unit + 1u]);
}
