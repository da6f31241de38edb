// A running sum over the invocations of a workgroup.
var<workgroup> running: array<u32, WORKGROUP_SIZE>;

// Sum of `own` over the workgroup's invocations up to this one; `running` holds all of them until the next barrier.
fn running_sum(own: u32, local_index: u32) -> u32 {
  running[local_index] = own;
  workgroupBarrier();
  for (var distance = 1u; distance < WORKGROUP_SIZE; distance *= 2u) {
    var sum = running[local_index];
    if (local_index >= distance) { sum += running[local_index - distance]; }
    workgroupBarrier();
    running[local_index] = sum;
    workgroupBarrier();
  }
  return running[local_index];
}
