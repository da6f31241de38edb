// Gaussian error linear unit in its tanh form, as Gemma was trained with.
fn activate(x: vec4<f32>) -> vec4<f32> {
  let inner = 0.7978845608028654 * (x + 0.044715 * x * x * x);
  // tanh overflows to NaN in some drivers beyond ±44; it is ±1 from ±10 on.
  return 0.5 * x * (1.0 + tanh(clamp(inner, vec4(-10.0), vec4(10.0))));
}
