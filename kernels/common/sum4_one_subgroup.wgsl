// Sums of four values over a workgroup that is one subgroup. Every invocation must call it; all get the result.
enable subgroups;

struct Invocation {
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
}

fn workgroup_sum4(values: vec4<f32>, invocation: Invocation) -> vec4<f32> {
  return subgroupAdd(values);
}
