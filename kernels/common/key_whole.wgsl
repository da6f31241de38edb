// Keys have no bias, or their rows hold it.
const HAS_KEY_BIAS = false;

fn turned_bias(kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  return vec4(0.0);
}

fn with_bias(key: vec4<f32>, kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  return key;
}
