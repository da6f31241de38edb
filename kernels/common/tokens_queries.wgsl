// Tokens as the queries of the pass, those of a GQA group one after another: block by block over the query blocks.
@group(0) @binding(3) var<storage, read> qkv: array<vec4<f32>>;

fn num_blocks() -> u32 {
  return num_query_blocks();
}

fn vectors_of_token() -> u32 {
  return GROUP_SIZE;
}

fn is_token(query_block: u32, i: u32) -> bool {
  let tokens = tokens_of_block(first_query_block() + query_block);
  return i < tokens.y - tokens.x;
}

fn load_token(kv_head: u32, member: u32, query_block: u32, i: u32, vector: u32) -> vec4<f32> {
  let tokens = tokens_of_block(first_query_block() + query_block);
  let token = min(tokens.x + i, tokens.y - 1u);
  let head = kv_head * GROUP_SIZE + member;
  return qkv[token * (QKV_SIZE / 4u) + head * VECTORS + vector];
}
