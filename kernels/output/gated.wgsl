// Where a product goes whose rows are gate and up in turn: activation(gate) · up, half as many values.
//   output [tokens, output_size]
#include <activation>
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

// Store what rows 2 pair (gate) and 2 pair + 1 (up) of the slice make.
fn store(token: u32, pair: u32, values: vec2<f32>) {
  if (2u * pair >= shape.rows) { return; }
  let index = token * shape.output_size + shape.first_row / 2u + pair;
  output[index] = activate(vec4(values.x)).x * values.y;
}
