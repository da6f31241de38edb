// RoPE's angles. `frequencies` [pairs]: turns per position, a 64-bit binary fraction (high word, low word).
const RADIANS = 1.4629180792671596e-9;  // 2π / 2³²

// Upper half of a 64-bit product, for positions below 2¹⁶ · 2¹⁶.
fn multiply_high(a: u32, b: u32) -> u32 {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let middle = a_high * b_low + ((a_low * b_low) >> 16u);
  let carry = a_low * b_high + (middle & 0xffffu);
  return a_high * b_high + (middle >> 16u) + (carry >> 16u);
}

// Turns are reduced in integers, exactly: sin and cos see no argument beyond ±π however long the document.
fn angle_of(position: u32, frequency: vec2<u32>) -> f32 {
  let turns = position * frequency.x + multiply_high(position, frequency.y);
  return f32(bitcast<i32>(turns)) * RADIANS;
}
