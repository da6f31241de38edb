// Layout shared by the formats without blocks: rows as in the file, each padded with zeros to whole units.

import { type PlaneBytes, type Planes, UNIT } from "./weightFormat.ts";

/** Weights of a row on the GPU: `rowLength` rounded up to whole units. */
export function paddedLength(rowLength: number): number {
  return Math.ceil(rowLength / UNIT) * UNIT;
}

/** `planeBytes` of a format with `bytesPerWeight`. */
export function densePlaneBytes(bytesPerWeight: number) {
  return (numRows: number, rowLength: number): PlaneBytes => ({
    quants: numRows * paddedLength(rowLength) * bytesPerWeight,
    scales: 0,
  });
}

/** `repack` of a format with `bytesPerWeight`. */
export function denseRepack(bytesPerWeight: number) {
  return (bytes: Uint8Array, numRows: number, rowLength: number): Planes => {
    const source = rowLength * bytesPerWeight;
    const target = paddedLength(rowLength) * bytesPerWeight;
    const padded = new Uint8Array(numRows * target);
    if (source === target) padded.set(bytes);
    else {
      for (let row = 0; row < numRows; row++) {
        padded.set(bytes.subarray(row * source, (row + 1) * source), row * target);
      }
    }
    return { quants: new Uint32Array(padded.buffer) };
  };
}
