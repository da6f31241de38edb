// Sums of four values over a workgroup without subgroups: a tree in workgroup memory. WORKGROUP_SIZE is a power of
// two. Every invocation must call it, once; all get the result.
var<workgroup> sum_scratch: array<vec4<f32>, WORKGROUP_SIZE>;

struct Invocation {
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
}

fn workgroup_sum4(values: vec4<f32>, invocation: Invocation) -> vec4<f32> {
  sum_scratch[invocation.local_index] = values;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride /= 2u) {
    if (invocation.local_index < stride) {
      sum_scratch[invocation.local_index] += sum_scratch[invocation.local_index + stride];
    }
    workgroupBarrier();
  }
  return sum_scratch[0];
}
