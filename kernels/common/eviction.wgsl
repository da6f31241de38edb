// What a policy decides by, once for all layers; the uniform of the kernels that score, select and gather.
struct Eviction {
  length: u32,          // slots filled
  budget: u32,          // slots to keep
  sinks: u32,           // first slots, always kept
  recent: u32,          // last slots, always kept
  tokens_read: u32,     // tokens the cache stands for
  known_slots: u32,     // slots whose token is listed, because an eviction moved them
  known_tokens: u32,    // tokens read at that eviction: slots behind the known ones hold those that followed
}

struct Capacity { slots: u32 }
