// The Hadamard rotation as a product with Sylvester's matrix, one row at a time.

/** Each block of `block` values of a head times H / √block; H[i][j] is −1 where i and j share an odd number of bits. */
export function hadamard(head: Float32Array, block: number): Float32Array {
  return head.map((_, index) => {
    const start = index - (index % block);
    let sum = 0;
    for (let j = 0; j < block; j++) {
      const sign = numBits(index & (block - 1) & j) % 2 === 0 ? 1 : -1;
      sum += sign * (head[start + j] ?? Number.NaN);
    }
    return sum / Math.sqrt(block);
  });
}

function numBits(value: number): number {
  return value.toString(2).replaceAll("0", "").length;
}
