// Where a product goes: as it is, or with ACCUMULATE added to what is there (the residual stream).
//   output [tokens, output_size]
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

// Store rows 2 pair and 2 pair + 1 of the slice.
fn store(token: u32, pair: u32, values: vec2<f32>) {
  let row = 2u * pair;
  let index = token * shape.output_size + shape.first_row + row;
  if (row < shape.rows) { store_value(index, values.x); }
  if (row + 1u < shape.rows) { store_value(index + 1u, values.y); }
}

fn store_value(index: u32, value: f32) {
  if (ACCUMULATE) { output[index] += value; } else { output[index] = value; }
}
