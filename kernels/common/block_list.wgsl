// Writing the list of a row's blocks, a workgroup's width of candidates at a time.

// Returns how many the list holds with those of these candidates that are listed.
fn append_blocks(row: u32, length: u32, block: u32, is_listed: bool, local_index: u32) -> u32 {
  let sum = running_sum(u32(is_listed), local_index);
  if (is_listed) { lists[row * (1u + num_key_blocks()) + length + sum] = block; }
  let total = running[WORKGROUP_SIZE - 1u];
  workgroupBarrier();
  return length + total;
}

fn end_list(row: u32, kv_head: u32, length: u32, local_index: u32) {
  if (local_index != 0u) { return; }
  lists[row * (1u + num_key_blocks())] = length;
  atomicAdd(&attended[kv_head], length);
}
