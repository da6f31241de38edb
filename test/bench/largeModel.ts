// Writes a GGUF of a published model's shape with random weights, to measure speed where the published file cannot be had.
// What it says is noise. Run: npx tsx test/bench/largeModel.ts FILE.gguf [--shape llama-3.2-1b] [--format q8_0] [--layers N]
//      [--vocab N]

import { parseArgs } from "node:util";
import {
  type WritableTensor,
  type WritableValue,
  writeGguf,
} from "../../src/engine/model/ggufWriter.ts";
import { type WeightFormatId, weightFormats } from "../../src/engine/model/weightFormats/index.ts";
import { quantizeWeights } from "../support/quantizeWeights.ts";
import { randomFloats } from "../support/random.ts";

interface Shape {
  readonly architecture: "llama" | "qwen3";
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocab: number;
  readonly ropeBase: number;
}

const shapes: Readonly<Record<string, Shape>> = {
  "llama-3.2-1b": {
    architecture: "llama",
    hidden: 2048,
    intermediate: 8192,
    layers: 16,
    heads: 32,
    kvHeads: 8,
    headDim: 64,
    vocab: 128_256,
    ropeBase: 500_000,
  },
  "qwen3-0.6b": {
    architecture: "qwen3",
    hidden: 1024,
    intermediate: 3072,
    layers: 28,
    heads: 16,
    kvHeads: 8,
    headDim: 128,
    vocab: 151_936,
    ropeBase: 1_000_000,
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    shape: { type: "string", default: "llama-3.2-1b" },
    format: { type: "string", default: "q8_0" },
    layers: { type: "string" },
    vocab: { type: "string" },
  },
});
const [path] = positionals;
const published = shapes[values.shape];
if (path === undefined || published === undefined)
  throw new Error(`name a file, and a shape of ${Object.keys(shapes).join(", ")}`);
const shape = {
  ...published,
  ...(values.layers && { layers: Number(values.layers) }),
  ...(values.vocab && { vocab: Number(values.vocab) }),
};
if (!(values.format in weightFormats)) throw new Error(`there is no format ${values.format}`);
const format = values.format as WeightFormatId;

/** Weights made once, a prime number of 256s; tensors repeat them, so that no two rows of a matrix are alike. */
const numWeights = 256 * 16_381;
const encoded = new Map<number, Uint8Array>();

const bytes = await writeGguf(path, { metadata: metadata(), tensors: tensors() });
console.log(`${path}: ${values.shape} in ${format}, ${(bytes / 1e9).toFixed(2)} GB`);

function tensors(): WritableTensor[] {
  const { hidden, intermediate, heads, kvHeads, headDim, architecture } = shape;
  const vectors: WritableTensor[] = [];
  const all = [matrix("token_embd.weight", hidden, shape.vocab), vector("output_norm", hidden)];
  for (let layer = 0; layer < shape.layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}`;
    if (architecture === "qwen3")
      vectors.push(vector(name("attn_q_norm"), headDim), vector(name("attn_k_norm"), headDim));
    all.push(
      vector(name("attn_norm"), hidden),
      matrix(name("attn_q.weight"), hidden, heads * headDim),
      matrix(name("attn_k.weight"), hidden, kvHeads * headDim),
      matrix(name("attn_v.weight"), hidden, kvHeads * headDim),
      matrix(name("attn_output.weight"), heads * headDim, hidden),
      vector(name("ffn_norm"), hidden),
      matrix(name("ffn_gate.weight"), hidden, intermediate),
      matrix(name("ffn_up.weight"), hidden, intermediate),
      matrix(name("ffn_down.weight"), intermediate, hidden),
    );
  }
  return [...all, ...vectors];
}

function vector(name: string, length: number): WritableTensor {
  const ones = new Float32Array(length).fill(1);
  return {
    name: `${name}.weight`,
    shape: [length],
    type: "f32",
    data: () => [quantizeWeights("f32", ones)],
  };
}

function matrix(name: string, cols: number, rows: number): WritableTensor {
  const { blockSize } = weightFormats[format];
  return {
    name,
    shape: [cols, rows],
    type: format,
    *data() {
      const pattern = patternFor(cols);
      let left = ((rows * cols) / blockSize) * (pattern.length / (numWeights / blockSize));
      for (; left > 0; left -= pattern.length)
        yield left < pattern.length ? pattern.subarray(0, left) : pattern;
    },
  };
}

/** Spread so that activations keep their size from layer to layer. */
function patternFor(cols: number): Uint8Array {
  const known = encoded.get(cols);
  if (known) return known;
  const spread = Math.sqrt(3 / cols);
  const weights = randomFloats(numWeights, cols).map((weight) => weight * spread);
  const made = quantizeWeights(format, weights);
  encoded.set(cols, made);
  return made;
}

function metadata(): Map<string, WritableValue> {
  const { architecture: id, hidden, intermediate, layers, heads, kvHeads, headDim } = shape;
  const u32 = (value: number): WritableValue => ({ type: "u32", value });
  const control = ["<unk>", "<s>", "</s>"];
  const tokens = Array.from({ length: shape.vocab }, (_, token) => {
    const byte = token - control.length;
    if (byte < 0) return control[token] ?? "";
    return byte < 256 ? `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>` : `▁w${token}`;
  });
  const types = tokens.map((_, token) => (token === 0 ? 2 : token < 3 ? 3 : token < 259 ? 6 : 1));
  return new Map<string, WritableValue>([
    ["general.architecture", { type: "string", value: id }],
    ["general.name", { type: "string", value: `random ${values.shape} ${format}` }],
    [`${id}.context_length`, u32(131_072)],
    [`${id}.embedding_length`, u32(hidden)],
    [`${id}.block_count`, u32(layers)],
    [`${id}.feed_forward_length`, u32(intermediate)],
    [`${id}.attention.head_count`, u32(heads)],
    [`${id}.attention.head_count_kv`, u32(kvHeads)],
    [`${id}.attention.key_length`, u32(headDim)],
    [`${id}.attention.value_length`, u32(headDim)],
    [`${id}.attention.layer_norm_rms_epsilon`, { type: "f32", value: 1e-5 }],
    [`${id}.rope.dimension_count`, u32(headDim)],
    [`${id}.rope.freq_base`, { type: "f32", value: shape.ropeBase }],
    [`${id}.vocab_size`, u32(shape.vocab)],
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
    ["tokenizer.ggml.tokens", { type: "strings", value: tokens }],
    ["tokenizer.ggml.scores", { type: "f32s", value: tokens.map((_, token) => -token) }],
    ["tokenizer.ggml.token_type", { type: "i32s", value: types }],
    ["tokenizer.ggml.unknown_token_id", u32(0)],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(2)],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: true }],
  ]);
}
