// Keys are held without their bias: the position that a key is turned by is noted for it.
//   places [rows]
@group(0) @binding(PLACES_BINDING) var<storage, read_write> places: array<u32>;

fn note_place(row: u32, place: u32) {
  places[row] = place;
}
