// Products of an invocation's vector with the 8 columns of a round's rotation: each of 8 lanes loads one, all broadcast.
enable subgroups;

struct Invocation {
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
}

fn project_bound(count: u32) -> u32 {
  return count;
}

fn project(
  vector: ptr<function, array<vec4<f32>, VECTORS>>,
  round: u32,
  invocation: Invocation,
) -> Products {
  var products = Products(vec4(0.0), vec4(0.0));
  let own = (round * 8u + invocation.lane) * VECTORS;
  for (var i = 0u; i < VECTORS; i++) {
    let x = (*vector)[i];
    let column = rotations[own + i];
    products.near += vec4(
      dot(x, subgroupBroadcast(column, 0u)),
      dot(x, subgroupBroadcast(column, 1u)),
      dot(x, subgroupBroadcast(column, 2u)),
      dot(x, subgroupBroadcast(column, 3u)),
    );
    products.far += vec4(
      dot(x, subgroupBroadcast(column, 4u)),
      dot(x, subgroupBroadcast(column, 5u)),
      dot(x, subgroupBroadcast(column, 6u)),
      dot(x, subgroupBroadcast(column, 7u)),
    );
  }
  return products;
}
