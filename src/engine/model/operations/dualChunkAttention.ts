// Dual chunk attention on the GPU: up to three attentions of the same queries, each turned otherwise, to the slots of their own
// chunk, of the one before, and of all earlier ones, joined by their log-sum-exps. A pass lies in one chunk.

import { chunkAt, type DualChunk } from "../../cache/dualChunk.ts";
import type { LayerSlots } from "../../cache/layerSlots.ts";
import { BufferUsage } from "../../gpu/bufferUsage.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import { createStepBuffer, writeStep } from "../step.ts";
import {
  type Attention,
  type AttentionBuffers,
  type AttentionShape,
  createAttention,
} from "./attention.ts";
import { qkvSize, type RopeShape } from "./rope.ts";

const WORKGROUP_SIZE = 64;

/** Turns queries for keys of the chunk before, or of earlier ones. */
export type Past = "next" | "earlier";

/** What a layer without a sliding window attends with. */
export interface DualChunkLayer {
  readonly own: Attention;
  /** Sees all of its slots, whatever the query's. */
  readonly past: Attention;
  readonly turn: Readonly<Record<Past, Kernel>>;
}

export interface DualChunkPass {
  readonly tokens: number;
  /** Slots filled with the pass; token and slot are the same here. */
  readonly cacheLength: number;
}

/** What is joined, and where to. */
interface Joined {
  readonly buffers: AttentionBuffers;
  readonly lse: GPUBuffer;
  readonly otherLse: GPUBuffer;
  readonly joined: GPUBuffer;
}

export function turnQueriesSource(
  shape: Pick<RopeShape, "numHeads" | "numKvHeads" | "headDim" | "ropeDim" | "pairing">,
  { chunkLength, chunkSize }: DualChunk,
  past: Past,
): KernelSource {
  return {
    file: "turn_queries.wgsl",
    constants: {
      WORKGROUP_SIZE,
      QKV_SIZE: qkvSize(shape),
      NUM_HEADS: shape.numHeads,
      HEAD_DIM: shape.headDim,
      ROPE_DIM: shape.ropeDim,
      IS_INTERLEAVED: shape.pairing === "interleaved",
      CHUNK_LENGTH: chunkLength,
      CHUNK_SIZE: chunkSize,
      IS_NEXT: past === "next",
    },
  };
}

export function joinAttentionSource({
  numHeads,
  headDim,
}: Pick<AttentionShape, "numHeads" | "headDim">): KernelSource {
  const constants = { WORKGROUP_SIZE, NUM_HEADS: numHeads, HEAD_DIM: headDim };
  return { file: "join_attention.wgsl", constants };
}

export class DualChunkAttention {
  readonly chunk: DualChunk;
  readonly #gpu: Gpu;
  readonly #shape: AttentionShape;
  readonly #join: Kernel;
  /** Queries turned otherwise, what they attend to, and log-sum-exps: scratch of one layer at a time. */
  readonly #turned: GPUBuffer;
  readonly #output: GPUBuffer;
  readonly #lses: readonly [own: GPUBuffer, other: GPUBuffer, joined: GPUBuffer];
  /** Where a stretch's heads lie, by its first slot, and how long it is; anew when the cache grows. */
  readonly #spans = new Map<number, GPUBuffer>();
  readonly #steps = new Map<string, GPUBuffer>();

  constructor(
    gpu: Gpu,
    chunk: DualChunk,
    parts: { shape: AttentionShape; join: Kernel; chunkLength: number },
  ) {
    this.chunk = chunk;
    this.#gpu = gpu;
    this.#shape = parts.shape;
    this.#join = parts.join;
    const { numHeads, headDim } = parts.shape;
    const floats = (count: number): GPUBuffer =>
      gpu.buffers.allocate({ purpose: "activations", bytes: 4 * parts.chunkLength * count });
    this.#turned = floats(qkvSize(parts.shape));
    this.#output = floats(numHeads * headDim);
    this.#lses = [floats(numHeads), floats(numHeads), floats(numHeads)];
  }

  /** Attend with a pass's queries, whose keys are stored, into `buffers.output`. */
  encode(
    commands: CommandList,
    {
      layer,
      slots,
      frequencies,
    }: { layer: DualChunkLayer; slots: LayerSlots; frequencies: GPUBuffer },
    buffers: AttentionBuffers,
    pass: DualChunkPass,
  ): void {
    const { chunkLength } = this.chunk;
    const { chunk } = chunkAt(this.chunk, pass.cacheLength - pass.tokens);
    const [ownLse, otherLse, joinedLse] = this.#lses;
    const first = chunk * chunkLength;
    const own = { ...buffers, cache: this.#cacheFrom(buffers, slots, first), lse: ownLse };
    this.#attend(commands, layer.own, own, pass.tokens, pass.cacheLength - first);
    const stretches: [Past, number, number][] = [];
    if (chunk > 0) stretches.push(["next", first - chunkLength, chunkLength]);
    if (chunk > 1) stretches.push(["earlier", 0, first - chunkLength]);
    let lse = ownLse;
    for (const [past, start, length] of stretches) {
      this.#encodeTurn(commands, layer.turn[past], { frequencies, buffers }, pass.tokens);
      const part = {
        ...buffers,
        qkv: this.#turned,
        cache: this.#cacheFrom(buffers, slots, start),
        step: this.#stepOf(pass.tokens, start + length),
        output: this.#output,
        lse: otherLse,
      };
      this.#attend(commands, layer.past, part, pass.tokens, length);
      const joined = lse === ownLse ? joinedLse : ownLse;
      this.#encodeJoin(commands, { buffers, lse, otherLse, joined }, pass.tokens);
      lse = joined;
    }
  }

  /** What a list of commands for decoding depends on when the cache's length is `cacheLength`. */
  decodeKey({ own }: DualChunkLayer, cacheLength: number): string {
    const { chunk } = chunkAt(this.chunk, cacheLength - 1);
    return `${chunk}:${own.splits(cacheLength - chunk * this.chunk.chunkLength)}`;
  }

  /** Forget where heads lie; lists encoded before must not be used any more. */
  forget(): void {
    for (const buffer of [...this.#spans.values(), ...this.#steps.values()])
      this.#gpu.buffers.release(buffer);
    this.#spans.clear();
    this.#steps.clear();
  }

  dispose(): void {
    this.forget();
    for (const buffer of [this.#turned, this.#output, ...this.#lses])
      this.#gpu.buffers.release(buffer);
  }

  #attend(
    commands: CommandList,
    attention: Attention,
    buffers: AttentionBuffers,
    tokens: number,
    length: number,
  ): void {
    if (tokens === 1) attention.encodeDecode(commands, buffers, length);
    else attention.encodePrefill(commands, buffers, tokens, length);
  }

  #encodeTurn(
    commands: CommandList,
    kernel: Kernel,
    { frequencies, buffers }: { frequencies: GPUBuffer; buffers: AttentionBuffers },
    tokens: number,
  ): void {
    const { numHeads, headDim } = this.#shape;
    commands.dispatch(
      kernel,
      [frequencies, buffers.qkv, this.#turned, buffers.step],
      [Math.ceil((numHeads * headDim) / 2 / WORKGROUP_SIZE), tokens],
    );
  }

  #encodeJoin(
    commands: CommandList,
    { buffers, lse, otherLse, joined }: Joined,
    tokens: number,
  ): void {
    const { numHeads, headDim } = this.#shape;
    commands.dispatch(
      this.#join,
      [buffers.output, lse, this.#output, otherLse, joined, buffers.step],
      [Math.ceil((tokens * numHeads * headDim) / 4 / WORKGROUP_SIZE)],
    );
  }

  /** The cache as if it began with slot `first`. */
  #cacheFrom(
    { cache }: AttentionBuffers,
    slots: LayerSlots,
    first: number,
  ): AttentionBuffers["cache"] {
    let heads = this.#spans.get(first);
    if (heads === undefined) {
      const words = slots.firstRows.flatMap((row) => [row + first, -first, 0, 0]);
      heads = this.#gpu.buffers.upload("parameters", Int32Array.from(words), {
        usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
      });
      this.#spans.set(first, heads);
    }
    return { ...cache, heads };
  }

  /** The step of a pass that sees the slots in front of `end`. */
  #stepOf(tokens: number, end: number): GPUBuffer {
    const key = `${tokens} ${end}`;
    let step = this.#steps.get(key);
    if (step === undefined) {
      step = createStepBuffer(this.#gpu);
      writeStep(this.#gpu, step, { numTokens: tokens, firstPosition: 0, firstSlot: end - tokens });
      this.#steps.set(key, step);
    }
    return step;
  }
}

export async function createDualChunkLayer(
  gpu: Gpu,
  chunk: DualChunk,
  shape: AttentionShape & Pick<RopeShape, "ropeDim" | "pairing">,
): Promise<DualChunkLayer> {
  const turn = (past: Past): Promise<Kernel> =>
    gpu.kernels.get(turnQueriesSource(shape, chunk, past));
  const [own, past, next, earlier] = await Promise.all([
    createAttention(gpu, { ...shape, lse: "all" }),
    createAttention(gpu, { ...shape, lse: "all", isCausal: false }),
    turn("next"),
    turn("earlier"),
  ]);
  return { own, past, turn: { next, earlier } };
}

export async function createDualChunkAttention(
  gpu: Gpu,
  chunk: DualChunk,
  { shape, chunkLength }: { shape: AttentionShape; chunkLength: number },
): Promise<DualChunkAttention> {
  const join = await gpu.kernels.get(joinAttentionSource(shape));
  return new DualChunkAttention(gpu, chunk, { shape, join, chunkLength });
}
