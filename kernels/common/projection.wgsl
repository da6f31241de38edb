// Products of an invocation's vector with the 8 columns of a round's rotation, read one after another.
#include <bound>

struct Invocation {
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
}

fn project_bound(count: u32) -> u32 {
  return bound(count);
}

fn project(
  vector: ptr<function, array<vec4<f32>, VECTORS>>,
  round: u32,
  invocation: Invocation,
) -> Products {
  var products = Products(vec4(0.0), vec4(0.0));
  let first = round * 8u * VECTORS;
  for (var i = 0u; i < bound(VECTORS); i++) {
    let x = (*vector)[i];
    let at = first + i;
    products.near += vec4(
      dot(x, rotations[at]),
      dot(x, rotations[at + VECTORS]),
      dot(x, rotations[at + 2u * VECTORS]),
      dot(x, rotations[at + 3u * VECTORS]),
    );
    products.far += vec4(
      dot(x, rotations[at + 4u * VECTORS]),
      dot(x, rotations[at + 5u * VECTORS]),
      dot(x, rotations[at + 6u * VECTORS]),
      dot(x, rotations[at + 7u * VECTORS]),
    );
  }
  return products;
}
