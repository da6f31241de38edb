// The basis a cache holds keys and values in, where it is not the model's own: keys divided and queries multiplied by
// SmoothAttention's λ, then rotated by a Hadamard matrix. q·k does not change; what happens to values is undone on the output.

import { type CacheRotation, rotationBlock } from "../../cache/rotation.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Binding, Kernel } from "../../gpu/kernel.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import { boundPart } from "./parts.ts";
import { type HeadShape, qkvSize } from "./rope.ts";

export interface CacheBasis {
  /** Behind RoPE: bring a pass's queries, keys and values [tokens, qkvSize] into the basis, in place. */
  enter(commands: CommandList, buffers: { qkv: Binding; step: GPUBuffer }, tokens: number): void;
  /** Bring the output of attention [tokens, numHeads * headDim] back, in place. */
  leave(commands: CommandList, buffers: { output: Binding; step: GPUBuffer }, tokens: number): void;
}

/** Consecutive heads of rows. */
interface Heads {
  readonly rowSize: number;
  readonly firstHead: number;
  readonly numHeads: number;
}

const HADAMARD_WORKGROUP = 32;
const SCALE_WORKGROUP = 64;

export function hadamardSource(
  capabilities: Capabilities,
  headDim: number,
  { rowSize, firstHead, numHeads }: Heads,
): KernelSource {
  const block = rotationBlock(headDim);
  return {
    file: "hadamard.wgsl",
    parts: boundPart(capabilities),
    constants: {
      WORKGROUP_SIZE: HADAMARD_WORKGROUP,
      ROW_SIZE: rowSize,
      FIRST_HEAD: firstHead,
      NUM_HEADS: numHeads,
      HEAD_DIM: headDim,
      BLOCK: block,
      SCALE: float(1 / Math.sqrt(block)),
    },
  };
}

export function scaleHeadsSource(shape: HeadShape): KernelSource {
  return {
    file: "scale_heads.wgsl",
    constants: {
      WORKGROUP_SIZE: SCALE_WORKGROUP,
      QKV_SIZE: qkvSize(shape),
      NUM_SCALED: scaledValues(shape),
    },
  };
}

/** The heads that a rotation turns in front of attention, and whether its output is turned back. */
export function rotatedHeads(shape: HeadShape, rotation: CacheRotation): Heads | undefined {
  const { numHeads, numKvHeads } = shape;
  if (!rotation.keys && !rotation.values) return undefined;
  const firstHead = rotation.keys ? 0 : numHeads + numKvHeads;
  const end = numHeads + (rotation.values ? 2 : 1) * numKvHeads;
  return { rowSize: qkvSize(shape), firstHead, numHeads: end - firstHead };
}

/**
 * Compile the basis of a layer; undefined where it is the model's own.
 * `scales` [(numHeads + numKvHeads) * headDim]: factors of queries and keys, see `queryKeyScales`.
 */
export async function createCacheBasis(
  gpu: Gpu,
  shape: HeadShape,
  { rotation, scales }: { rotation: CacheRotation; scales?: GPUBuffer | undefined },
): Promise<CacheBasis | undefined> {
  const { numHeads, headDim } = shape;
  const heads = rotatedHeads(shape, rotation);
  if (heads === undefined && scales === undefined) return undefined;
  const scale = scales && (await gpu.kernels.get(scaleHeadsSource(shape)));
  const hadamard = async (which: Heads | undefined): Promise<Kernel | undefined> =>
    which && gpu.kernels.get(hadamardSource(gpu.capabilities, headDim, which));
  const output = { rowSize: numHeads * headDim, firstHead: 0, numHeads };
  const enter = await hadamard(heads);
  const leave = await hadamard(rotation.values ? output : undefined);
  const blocks = headDim / rotationBlock(headDim);
  const groups = (count: number) => Math.ceil((count * blocks) / HADAMARD_WORKGROUP);
  return {
    enter(commands, { qkv, step }, tokens) {
      if (scale && scales) {
        const vectors = scaledValues(shape) / 4;
        commands.dispatch(scale, [qkv, scales], [Math.ceil(vectors / SCALE_WORKGROUP), tokens]);
      }
      if (enter && heads) commands.dispatch(enter, [qkv, step], [groups(heads.numHeads), tokens]);
    },
    leave(commands, { output: rows, step }, tokens) {
      if (leave) commands.dispatch(leave, [rows, step], [groups(numHeads), tokens]);
    },
  };
}

/**
 * Factors of a token's queries and keys from SmoothAttention's λ [numKvHeads, headDim] of a layer: queries are multiplied by
 * the λ of their KV head, keys divided.
 */
export function queryKeyScales(
  { numHeads, numKvHeads, headDim }: HeadShape,
  lambdas: Float32Array,
): Float32Array {
  const scales = new Float32Array((numHeads + numKvHeads) * headDim);
  const groupSize = numHeads / numKvHeads;
  for (let head = 0; head < numHeads; head++) {
    const start = Math.floor(head / groupSize) * headDim;
    scales.set(lambdas.subarray(start, start + headDim), head * headDim);
  }
  scales.set(
    lambdas.map((lambda) => 1 / lambda),
    numHeads * headDim,
  );
  return scales;
}

function scaledValues({ numHeads, numKvHeads, headDim }: HeadShape): number {
  return (numHeads + numKvHeads) * headDim;
}
