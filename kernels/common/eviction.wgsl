#include "common/heads.wgsl"
// What a policy decides by in a layer; the uniform of the kernels that score, select and gather.
struct Eviction {
  length: u32,          // slots filled, of a head without surplus
  budget: u32,          // slots to keep
  sinks: u32,           // first slots, always kept
  recent: u32,          // last slots, always kept
  tokens_read: u32,     // tokens the cache stands for
  listed_tokens: u32,   // tokens read at the layer's last eviction, which listed them: those that followed are in order
  // Where several heads compete for slots:
  rows: u32,            // of the layer
  first_item: u32,      // of the layer, among those of all heads that compete
  safe: u32,            // slots that each head keeps beside the protected ones, whatever the others have
}
