// Checkpoints of karpathy/llama2.c, version 0 (seven integers, then floats) and version 1 (256 bytes of header), as GGUF.
// Their q and k keep Meta's interleaved RoPE pairs, which is also the order GGUF's llama wants: nothing is permuted.

import { type FileHandle, open } from "node:fs/promises";
import { UserError } from "../errors.ts";
import type { GgufContents, WritableTensor, WritableValue } from "../model/ggufWriter.ts";
import { type EncodedType, weightEncoders } from "./encodeWeights.ts";

const MAGIC_V1 = 0x616b3432; // "ak42"
const HEADER_BYTES = { 0: 28, 1: 256 } as const;
const FILE_TYPES: Readonly<Record<EncodedType, number>> = { f32: 0, f16: 1, q8_0: 7 };
const PIECE_BYTES = 4 * 2 ** 20;

interface Llama2cShape {
  readonly version: 0 | 1;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly tiedOutput: boolean;
}

/** Where a tensor's f32 values lie in the checkpoint; `shape` is [cols, rows] or [cols]. */
interface Placement {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
}

export interface Llama2cCheckpoint {
  readonly vocabSize: number;
  /** The model without its vocabulary; weights are read while they are written. */
  contents(name: string, type: EncodedType): GgufContents;
  close(): Promise<void>;
}

/** Open a checkpoint. Throws UserError when it is none, or shorter than its header says. */
export async function openLlama2c(path: string): Promise<Llama2cCheckpoint> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    const shape = await readShape(handle, path);
    const placements = placeTensors(shape);
    const end = Math.max(...placements.map(({ offset, shape }) => offset + 4 * product(shape)));
    if (!(end <= size))
      throw new UserError(
        `${path} has ${size} bytes but its header asks for ${end}: it is no llama2.c checkpoint, or incomplete.`,
      );
    return {
      vocabSize: shape.vocabSize,
      contents: (name, type) => ({
        metadata: describe(shape, name, type),
        tensors: placements.map((placement) => writable(handle, path, placement, type)),
      }),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readShape(handle: FileHandle, path: string): Promise<Llama2cShape> {
  const header = Buffer.alloc(HEADER_BYTES[1]);
  await handle.read(header, 0, header.length, 0);
  const version = header.readUInt32LE(0) === MAGIC_V1 ? 1 : 0;
  if (version === 1 && header.readInt32LE(4) !== 1)
    throw new UserError(
      `${path} is a llama2.c checkpoint of version ${header.readInt32LE(4)}; 0 and 1 (f32) are read. Export it again.`,
    );
  const start = version === 1 ? 8 : 0;
  const [dim = 0, hidden = 0, layers = 0, heads = 0, kvHeads = 0, vocab = 0, context = 0] =
    Array.from({ length: 7 }, (_, i) => header.readInt32LE(start + 4 * i));
  const counts = [dim, hidden, layers, heads, kvHeads, Math.abs(vocab), context];
  const isPlausible = counts.every((count) => count > 0 && count < 2 ** 24) && layers < 4096;
  if (!isPlausible || dim % heads !== 0 || heads % kvHeads !== 0)
    throw new UserError(
      `${path} is not a llama2.c checkpoint (its header reads ${counts.join(", ")}): give a .bin of llama2.c, vocab.json, tiktoken ranks or a SentencePiece .model.`,
    );
  return {
    version,
    hiddenSize: dim,
    intermediateSize: hidden,
    numLayers: layers,
    numHeads: heads,
    numKvHeads: kvHeads,
    vocabSize: Math.abs(vocab),
    contextLength: context,
    // Version 0 marks an output of its own by a negative vocabulary size, version 1 by a byte.
    tiedOutput: version === 1 ? header.readUInt8(start + 28) === 1 : vocab > 0,
  };
}

/** Both versions keep each kind of weight together over all layers, in different orders. */
function placeTensors(shape: Llama2cShape): Placement[] {
  const { hiddenSize, intermediateSize, vocabSize, version } = shape;
  const headDim = hiddenSize / shape.numHeads;
  const keyWidth = shape.numKvHeads * headDim;
  const perLayer = {
    attn_norm: [hiddenSize],
    attn_q: [hiddenSize, hiddenSize],
    attn_k: [hiddenSize, keyWidth],
    attn_v: [hiddenSize, keyWidth],
    attn_output: [hiddenSize, hiddenSize],
    ffn_norm: [hiddenSize],
    ffn_gate: [hiddenSize, intermediateSize],
    ffn_down: [intermediateSize, hiddenSize],
    ffn_up: [hiddenSize, intermediateSize],
  };
  type LayerTensor = keyof typeof perLayer;
  const matrices = ["attn_q", "attn_k", "attn_v", "attn_output"] as const;
  const mlp = ["ffn_gate", "ffn_down", "ffn_up"] as const;
  const placements: Placement[] = [];
  let offset: number = HEADER_BYTES[version];
  const place = (name: string, extents: readonly number[]): void => {
    placements.push({ name: `${name}.weight`, shape: extents, offset });
    offset += 4 * product(extents);
  };
  const placeLayers = (names: readonly LayerTensor[]): void => {
    for (const name of names)
      for (let layer = 0; layer < shape.numLayers; layer++)
        place(`blk.${layer}.${name}`, perLayer[name]);
  };
  if (version === 0) {
    place("token_embd", [hiddenSize, vocabSize]);
    placeLayers(["attn_norm", ...matrices, "ffn_norm", ...mlp]);
    place("output_norm", [hiddenSize]);
    // Tables of RoPE cosines and sines, which are computed and not read.
    offset += 4 * shape.contextLength * headDim;
  } else {
    placeLayers(["attn_norm", "ffn_norm"]);
    place("output_norm", [hiddenSize]);
    place("token_embd", [hiddenSize, vocabSize]);
    placeLayers([...matrices, ...mlp]);
  }
  if (!shape.tiedOutput) place("output", [hiddenSize, vocabSize]);
  return placements;
}

function describe(
  shape: Llama2cShape,
  name: string,
  type: EncodedType,
): Map<string, WritableValue> {
  const u32 = (value: number): WritableValue => ({ type: "u32", value });
  return new Map<string, WritableValue>([
    ["general.architecture", { type: "string", value: "llama" }],
    ["general.name", { type: "string", value: name }],
    ["general.file_type", u32(FILE_TYPES[type])],
    ["llama.context_length", u32(shape.contextLength)],
    ["llama.embedding_length", u32(shape.hiddenSize)],
    ["llama.block_count", u32(shape.numLayers)],
    ["llama.feed_forward_length", u32(shape.intermediateSize)],
    ["llama.attention.head_count", u32(shape.numHeads)],
    ["llama.attention.head_count_kv", u32(shape.numKvHeads)],
    ["llama.attention.layer_norm_rms_epsilon", { type: "f32", value: 1e-5 }],
    ["llama.rope.dimension_count", u32(shape.hiddenSize / shape.numHeads)],
    ["llama.rope.freq_base", { type: "f32", value: 10000 }],
    ["llama.vocab_size", u32(shape.vocabSize)],
  ]);
}

function writable(
  handle: FileHandle,
  path: string,
  { name, shape, offset }: Placement,
  wanted: EncodedType,
): WritableTensor {
  const [cols = 1] = shape;
  // Norms stay exact; a row that is no whole number of blocks cannot be quantised.
  const type = shape.length === 1 ? "f32" : wanted === "q8_0" && cols % 32 !== 0 ? "f16" : wanted;
  return {
    name,
    shape,
    type,
    async *data() {
      const end = offset + 4 * product(shape);
      const pieceBytes = Math.max(1, Math.floor(PIECE_BYTES / (4 * cols))) * 4 * cols;
      for (let at = offset; at < end; at += pieceBytes) {
        const values = new Float32Array(Math.min(pieceBytes, end - at) / 4);
        const bytes = Buffer.from(values.buffer);
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, at);
        if (bytesRead !== bytes.length)
          throw new UserError(
            `${path} ended at byte ${at + bytesRead} while it was read. Try again.`,
          );
        const bad = values.findIndex((value) => !Number.isFinite(value));
        if (bad >= 0)
          throw new UserError(
            `${path} holds ${values[bad]} in ${name}: export the checkpoint again.`,
          );
        yield weightEncoders[type](values);
      }
    },
  };
}

function product(extents: readonly number[]): number {
  return extents.reduce((result, extent) => result * extent, 1);
}
