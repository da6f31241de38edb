// Where a product goes: plus a bias, or with ACCUMULATE plus what is there too.
//   output [tokens, output_size]   bias [output_size]
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(BIAS_BINDING) var<storage, read> bias: array<f32>;

// Store rows 2 pair and 2 pair + 1 of the slice.
fn store(token: u32, pair: u32, values: vec2<f32>) {
  let row = 2u * pair;
  if (row < shape.rows) { store_value(token, shape.first_row + row, values.x); }
  if (row + 1u < shape.rows) { store_value(token, shape.first_row + row + 1u, values.y); }
}

fn store_value(token: u32, row: u32, value: f32) {
  let index = token * shape.output_size + row;
  if (ACCUMULATE) { output[index] += value + bias[row]; } else { output[index] = value + bias[row]; }
}
