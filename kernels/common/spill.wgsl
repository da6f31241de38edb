// What one eviction drops, once for all layers; the uniform of the kernels that put it into pages.
struct Spill {
  length: u32,       // slots filled before the eviction
  kept: u32,         // slots that stay
  dropped: u32,      // slots that go
  rows: u32,         // the same, rounded up to whole pages
  first_page: u32,   // number of the first page that is written
}
