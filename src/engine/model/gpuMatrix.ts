// Weight matrices on the GPU, in slices of rows that fit one binding. Rows stream from the file through a few megabytes
// of host memory, repacked into the planes that the kernel parts read.

import { UserError } from "../errors.ts";
import { BufferUsage } from "../gpu/bufferUsage.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Weight } from "./loadWeights.ts";
import { type WeightFormatId, weightFormats } from "./weightFormats/index.ts";
import { rowBytes, UNIT } from "./weightFormats/weightFormat.ts";

/** What is needed of a weight to put it on the GPU. */
export type MatrixSource = Pick<Weight, "tensor" | "format" | "rows" | "cols" | "slices">;

export interface MatrixSlice {
  readonly format: WeightFormatId;
  readonly firstRow: number;
  readonly rows: number;
  readonly quants: GPUBuffer;
  /** Absent for formats without blocks. */
  readonly scales: GPUBuffer | undefined;
  /** Uniform `Shape` of kernels/common/shape.wgsl. */
  readonly shape: GPUBuffer;
}

/** A matrix [rows, cols]. Interleaved: rows are gate and up in turn. */
export interface GpuMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly interleaved: boolean;
  readonly slices: readonly MatrixSlice[];
}

interface Rows {
  readonly format: WeightFormatId;
  readonly rows: number;
  pieces(signal?: AbortSignal): AsyncIterable<{ numRows: number; bytes: Uint8Array }>;
}

// Rows per piece of two interleaved matrices; even, so that half-word scales stay aligned.
const INTERLEAVED_ROWS = 256;
// Slices start at multiples of this row, whatever the tile of a kernel.
const SLICE_ROWS = 64;
// Dawn stages every queued write in host memory until it has run.
const MAX_QUEUED_BYTES = 64 * 2 ** 20;

/** Upload matrices of equal row length one below the other, such as q, k and v. */
export function uploadStacked(
  gpu: Gpu,
  sources: readonly MatrixSource[],
  signal?: AbortSignal,
): Promise<GpuMatrix> {
  const runs: MatrixSource[][] = [];
  for (const source of sources) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    // A run shares slices; pieces start at even rows in them.
    if (run && last?.format === source.format && last.rows % 2 === 0) run.push(source);
    else runs.push([source]);
  }
  return upload(gpu, sources, { runs: runs.map(stackedRows), interleaved: false }, signal);
}

/** Upload a gated MLP's two matrices as rows gate, up, gate, up, … so that one kernel computes both. */
export function uploadInterleaved(
  gpu: Gpu,
  gate: MatrixSource,
  up: MatrixSource,
  signal?: AbortSignal,
): Promise<GpuMatrix> {
  return upload(gpu, [gate, up], { runs: [interleavedRows(gate, up)], interleaved: true }, signal);
}

/** Free a matrix's memory. */
export function releaseMatrix(gpu: Gpu, matrix: GpuMatrix): void {
  for (const { quants, scales, shape } of matrix.slices) {
    gpu.buffers.release(quants);
    if (scales) gpu.buffers.release(scales);
    gpu.buffers.release(shape);
  }
}

async function upload(
  gpu: Gpu,
  sources: readonly MatrixSource[],
  { runs, interleaved }: { runs: readonly Rows[]; interleaved: boolean },
  signal?: AbortSignal,
): Promise<GpuMatrix> {
  const cols = sources[0]?.cols ?? 0;
  const rows = sources.reduce((sum, source) => sum + source.rows, 0);
  for (const { tensor, cols: own } of sources) {
    if (own !== cols) throw new Error(`${tensor} has rows of ${own} weights, not ${cols}`);
  }
  // The kernels read inputs as vec4.
  if (cols % 4 !== 0) {
    throw new UserError(
      `${sources[0]?.tensor} has rows of ${cols} weights, and Lectern needs a multiple of 4: choose another model.`,
    );
  }
  const matrix = { rows, cols, interleaved, slices: [] as MatrixSlice[] };
  try {
    let firstRow = 0;
    for (const run of runs) {
      const slices = allocateSlices(gpu, matrix, run, firstRow);
      matrix.slices.push(...slices);
      await fillSlices(gpu, run, slices, { cols, firstRow, signal });
      firstRow += run.rows;
    }
    return matrix;
  } catch (error) {
    releaseMatrix(gpu, matrix);
    throw error;
  }
}

function allocateSlices(
  gpu: Gpu,
  { rows, cols, interleaved }: GpuMatrix,
  run: Rows,
  firstRow: number,
): MatrixSlice[] {
  const format = weightFormats[run.format];
  const { maxStorageBufferBindingSize = 0, maxBufferSize = 0 } = gpu.capabilities.limits;
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  const bytesOfRows = format.planeBytes(SLICE_ROWS, cols).quants;
  const rowsPerSlice = Math.max(1, Math.floor(limit / bytesOfRows)) * SLICE_ROWS;
  const slices: MatrixSlice[] = [];
  for (let row = 0; row < run.rows; row += rowsPerSlice) {
    const sliceRows = Math.min(rowsPerSlice, run.rows - row);
    const bytes = format.planeBytes(sliceRows, cols);
    slices.push({
      format: run.format,
      firstRow: firstRow + row,
      rows: sliceRows,
      quants: gpu.buffers.allocate({ purpose: "weights", bytes: bytes.quants }),
      scales:
        bytes.scales > 0
          ? gpu.buffers.allocate({ purpose: "weights", bytes: bytes.scales })
          : undefined,
      shape: gpu.buffers.upload(
        "parameters",
        Uint32Array.of(
          sliceRows,
          Math.ceil(cols / UNIT),
          cols / 4,
          firstRow + row,
          interleaved ? rows / 2 : rows,
        ),
        { usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST, label: "shape" },
      ),
    });
  }
  return slices;
}

async function fillSlices(
  gpu: Gpu,
  run: Rows,
  slices: readonly MatrixSlice[],
  { cols, firstRow, signal }: { cols: number; firstRow: number; signal: AbortSignal | undefined },
): Promise<void> {
  const format = weightFormats[run.format];
  const bytesPerRow = rowBytes(format, cols);
  let row = firstRow;
  let queuedBytes = 0;
  for await (const { numRows, bytes } of run.pieces(signal)) {
    const end = row + numRows;
    const start = row;
    for (const slice of slices) {
      const sliceEnd = slice.firstRow + slice.rows;
      if (row >= end || row < slice.firstRow || row >= sliceEnd) continue;
      const count = Math.min(end, sliceEnd) - row;
      const from = (row - start) * bytesPerRow;
      const planes = format.repack(bytes.subarray(from, from + count * bytesPerRow), count, cols);
      const offset = format.planeBytes(row - slice.firstRow, cols);
      gpu.buffers.write(slice.quants, offset.quants, planes.quants);
      if (slice.scales && planes.scales) {
        gpu.buffers.write(slice.scales, offset.scales, planes.scales);
      }
      row += count;
    }
    queuedBytes += bytes.length;
    if (queuedBytes > MAX_QUEUED_BYTES) {
      await gpu.finished();
      queuedBytes = 0;
    }
  }
}

function stackedRows(sources: readonly MatrixSource[]): Rows {
  const [first] = sources;
  if (first === undefined) throw new Error("a matrix has at least one source");
  return {
    format: first.format,
    rows: sources.reduce((sum, source) => sum + source.rows, 0),
    async *pieces(signal) {
      for (const source of sources) yield* source.slices(undefined, signal);
    },
  };
}

/** Rows of both in turn. Formats that differ, which hardly any model has, become F32: exact, if large. */
function interleavedRows(gate: MatrixSource, up: MatrixSource): Rows {
  const format = gate.format === up.format ? gate.format : "f32";
  const bytesPerRow = rowBytes(weightFormats[format], gate.cols);
  return {
    format,
    rows: gate.rows + up.rows,
    async *pieces(signal) {
      const others = inFormat(up, format, signal);
      for await (const gates of inFormat(gate, format, signal)) {
        const { value: ups } = await others.next();
        if (ups?.numRows !== gates.numRows) throw new Error(`${up.tensor} and gate differ in rows`);
        yield {
          numRows: 2 * gates.numRows,
          bytes: interleave(gates.bytes, ups.bytes, bytesPerRow),
        };
      }
    },
  };
}

async function* inFormat(source: MatrixSource, format: WeightFormatId, signal?: AbortSignal) {
  const own = weightFormats[source.format];
  const maxBytes = INTERLEAVED_ROWS * rowBytes(own, source.cols);
  for await (const { numRows, bytes } of source.slices(maxBytes, signal)) {
    if (format === source.format) yield { numRows, bytes };
    else {
      const weights = new Float32Array(numRows * source.cols);
      own.dequantize(bytes, weights);
      yield { numRows, bytes: new Uint8Array(weights.buffer) };
    }
  }
}

function interleave(a: Uint8Array, b: Uint8Array, bytesPerRow: number): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  for (let from = 0; from < a.length; from += bytesPerRow) {
    both.set(a.subarray(from, from + bytesPerRow), 2 * from);
    both.set(b.subarray(from, from + bytesPerRow), 2 * from + bytesPerRow);
  }
  return both;
}
