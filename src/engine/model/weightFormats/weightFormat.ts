// What a weight format is on the host; its device half is kernels/weights/<id>.wgsl. Block layouts follow ggml.

/** A matrix as the kernels read it: quants as aligned words, scales (and mins) in a plane of their own. */
export interface Planes {
  readonly quants: Uint32Array<ArrayBuffer>;
  /** Absent for formats without blocks. */
  readonly scales?: Uint32Array<ArrayBuffer>;
}

/** Bytes of each plane on the GPU; `scales` is 0 for formats without blocks. */
export interface PlaneBytes {
  readonly quants: number;
  readonly scales: number;
}

export interface WeightFormat {
  /** Names the kernel part, kernels/weights/<id>.wgsl. */
  readonly id: string;
  /** As GGUF tools print it. */
  readonly name: string;
  /** Type number in a GGUF tensor entry. */
  readonly ggmlType: number;
  /** Weights in a block; a row is a whole number of blocks. */
  readonly blockSize: number;
  /** Bytes of a block in the file. */
  readonly blockBytes: number;
  /** Decode the blocks in `bytes` into `weights`, which has exactly their number of weights. */
  dequantize(bytes: Uint8Array, weights: Float32Array): void;
  planeBytes(numRows: number, rowLength: number): PlaneBytes;
  /** Lay `numRows` whole rows of `rowLength` weights out for the GPU. Rows of an even count concatenate plane by plane. */
  repack(bytes: Uint8Array, numRows: number, rowLength: number): Planes;
}

/** Weights that one call of a kernel part's `weights_at` yields; dense rows are padded to it. */
export const UNIT = 8;

/** Bytes of one row in the file. The row must be a whole number of blocks. */
export function rowBytes(format: WeightFormat, rowLength: number): number {
  if (rowLength % format.blockSize !== 0) {
    throw new Error(
      `A row of ${rowLength} weights is not a whole number of ${format.name} blocks of ${format.blockSize}.`,
    );
  }
  return (rowLength / format.blockSize) * format.blockBytes;
}
