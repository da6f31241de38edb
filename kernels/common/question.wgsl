// What a question's pages are chosen by, once for all layers.
struct Question {
  num_tokens: u32,   // queries
  num_pages: u32,    // pages to choose from
  kept: u32,         // slots of the tokens that were not evicted
  recalled: u32,     // slots that recalled tokens will take behind them
  first_rank: u32,   // ranks that recalled tokens may get, where keys are cached before RoPE
  rank_span: u32,
}
