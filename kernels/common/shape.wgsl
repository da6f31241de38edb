// Sizes of one slice of a matrix's rows; fixed once the model is loaded. A unit is 8 consecutive weights of a row.
struct Shape {
  rows: u32,         // of this slice
  units: u32,        // of a row; the last may be padded with zero weights
  vectors: u32,      // vec4 of an input row
  first_row: u32,    // of this slice in the whole matrix
  output_size: u32,  // values of an output row
}
