// Slots that a layer's cache has room for.
struct Capacity { slots: u32 }
