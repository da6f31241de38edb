// Sums of four values over a workgroup of several subgroups. Every invocation must call it, once; all get the result.
enable subgroups;

// Subgroups hold at least 4 invocations.
var<workgroup> sum_scratch: array<vec4<f32>, WORKGROUP_SIZE / 4u>;

struct Invocation {
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) subgroup_size: u32,
}

fn workgroup_sum4(values: vec4<f32>, invocation: Invocation) -> vec4<f32> {
  let partial = subgroupAdd(values);
  if (invocation.lane == 0u) {
    sum_scratch[invocation.local_index / invocation.subgroup_size] = partial;
  }
  workgroupBarrier();
  var total = vec4(0.0);
  let num_subgroups = (WORKGROUP_SIZE + invocation.subgroup_size - 1u) / invocation.subgroup_size;
  for (var i = 0u; i < num_subgroups; i++) {
    total += sum_scratch[i];
  }
  return total;
}
