// Reductions over a workgroup for adapters without subgroups: a tree in workgroup memory.
// Every invocation of the workgroup must call them; all get the result. WORKGROUP_SIZE is a power of two.
var<workgroup> reduce_scratch: array<f32, WORKGROUP_SIZE>;

struct Invocation {
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
}

fn workgroup_sum(value: f32, invocation: Invocation) -> f32 {
  reduce_scratch[invocation.local_index] = value;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride /= 2u) {
    if (invocation.local_index < stride) {
      reduce_scratch[invocation.local_index] += reduce_scratch[invocation.local_index + stride];
    }
    workgroupBarrier();
  }
  let total = reduce_scratch[0];
  workgroupBarrier();
  return total;
}

fn workgroup_max(value: f32, invocation: Invocation) -> f32 {
  reduce_scratch[invocation.local_index] = value;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride /= 2u) {
    if (invocation.local_index < stride) {
      reduce_scratch[invocation.local_index] = max(
        reduce_scratch[invocation.local_index],
        reduce_scratch[invocation.local_index + stride],
      );
    }
    workgroupBarrier();
  }
  let largest = reduce_scratch[0];
  workgroupBarrier();
  return largest;
}
