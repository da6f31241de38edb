// Rows of queries by key blocks: each entry is the log-sum-exp (base 2) of a row's scores in a block, NOTHING where it sees
// none of the block. A set of ROWS rows belongs to a KV head, and to a query block where sets are many.
//   rows [sets, key blocks, ROWS]
const NOTHING = -1e30;

fn row_index(row_set: u32, block: u32, row: u32) -> u32 {
  return (row_set * num_key_blocks() + block) * ROWS + row;
}
