// Reductions over a workgroup with subgroups: one instruction inside each, workgroup memory between them.
// Every invocation of the workgroup must call them; all get the result.
enable subgroups;

// One value for each subgroup; subgroups hold at least 4 invocations.
var<workgroup> reduce_scratch: array<f32, WORKGROUP_SIZE / 4u>;

struct Invocation {
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) subgroup_size: u32,
}

fn num_subgroups(invocation: Invocation) -> u32 {
  return (WORKGROUP_SIZE + invocation.subgroup_size - 1u) / invocation.subgroup_size;
}

fn workgroup_sum(value: f32, invocation: Invocation) -> f32 {
  let partial = subgroupAdd(value);
  if (invocation.lane == 0u) {
    reduce_scratch[invocation.local_index / invocation.subgroup_size] = partial;
  }
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < num_subgroups(invocation); i++) {
    total += reduce_scratch[i];
  }
  workgroupBarrier();
  return total;
}

fn workgroup_max(value: f32, invocation: Invocation) -> f32 {
  let partial = subgroupMax(value);
  if (invocation.lane == 0u) {
    reduce_scratch[invocation.local_index / invocation.subgroup_size] = partial;
  }
  workgroupBarrier();
  var largest = reduce_scratch[0];
  for (var i = 1u; i < num_subgroups(invocation); i++) {
    largest = max(largest, reduce_scratch[i]);
  }
  workgroupBarrier();
  return largest;
}
