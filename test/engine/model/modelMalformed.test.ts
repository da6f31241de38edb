// Models that parse but make no sense, or ask for what the decoder lacks: one line that names file and value.

import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type WritableTensor,
  type WritableValue,
  writeGguf,
} from "../../../src/engine/model/ggufWriter.ts";
import { openModel } from "../../../src/engine/model/loadWeights.ts";
import { smallModel } from "../../support/randomModel.ts";
import { tinyVocabulary } from "../../support/randomModelMetadata.ts";
import { assertRefusedModel } from "../../support/refusedModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

describe("a model whose file is well-formed but wrong", () => {
  const folder = useTemporaryFolder();
  const path = (): string => join(folder(), "model.gguf");

  type Change = (contents: {
    metadata: Map<string, WritableValue>;
    tensors: WritableTensor[];
  }) => void;
  const number =
    (key: string, value: number, type: "u32" | "f32" | "i32" = "u32"): Change =>
    ({ metadata }) => {
      metadata.set(key, { type, value });
    };
  const without =
    (key: string): Change =>
    ({ metadata }) => {
      metadata.delete(key);
    };
  const replaceTensor =
    (name: string, change: Partial<WritableTensor> | undefined): Change =>
    ({ tensors }) => {
      const at = tensors.findIndex((tensor) => tensor.name === name);
      const [old] = tensors.splice(at, 1);
      if (old !== undefined && change !== undefined) tensors.splice(at, 0, { ...old, ...change });
    };
  const filled =
    (count: number, value: number): (() => Uint8Array[]) =>
    () => [new Uint8Array(Float32Array.from({ length: count }, () => value).buffer)];
  const cases: Readonly<Record<string, readonly [Change, RegExp]>> = {
    "no heads": [number("llama.attention.head_count", 0), /head_count is 0/],
    "no KV heads": [number("llama.attention.head_count_kv", 0), /head_count_kv is 0/],
    "KV heads that do not divide the heads": [
      number("llama.attention.head_count_kv", 3),
      /2 attention heads cannot share 3 KV heads/,
    ],
    "2^31 layers": [number("llama.block_count", 2 ** 31), /block_count is 2147483648/],
    "one layer too many": [number("llama.block_count", 2), /blk\.1\.attn_norm\.weight is missing/],
    "no width": [number("llama.embedding_length", 0), /embedding_length is 0/],
    "another width": [number("llama.embedding_length", 64), /token_embd.weight is 32 × 320/],
    "a width as a float": [number("llama.embedding_length", 32.5, "f32"), /is 32\.5; a whole/],
    "a negative width": [number("llama.embedding_length", -32, "i32"), /is -32; a whole/],
    "a width as text": [
      ({ metadata }) => metadata.set("llama.embedding_length", { type: "string", value: "32" }),
      /embedding_length is "32"; a whole number/,
    ],
    "no width at all": [without("llama.embedding_length"), /embedding_length is missing/],
    "more rotated dimensions than a head has": [
      number("llama.rope.dimension_count", 18),
      /dimension_count is 18; an even number from 2 to the head dimension 16/,
    ],
    "no context": [number("llama.context_length", 0), /context_length is 0/],
    "an epsilon that is no number": [
      number("llama.attention.layer_norm_rms_epsilon", Number.NaN, "f32"),
      /epsilon is NaN/,
    ],
    "fewer tokens than embeddings": [
      ({ metadata }) => {
        for (const [key, value] of tinyVocabulary(300)) metadata.set(key, value);
      },
      /token_embd.weight has 320 rows but the vocabulary 300 tokens/,
    ],
    "a missing weight": [
      replaceTensor("blk.0.ffn_down.weight", undefined),
      /blk\.0\.ffn_down\.weight is missing/,
    ],
    "a weight of another shape": [
      replaceTensor("blk.0.ffn_down.weight", { shape: [64, 16] }),
      /ffn_down.weight is 64 × 16; its metadata ask for 32 × 32/,
    ],
    "a weight that nobody knows": [
      ({ tensors }) => {
        tensors.push({ name: "blk.0.extra", shape: [1], type: "f32", data: filled(1, 0) });
      },
      /a tensor blk\.0\.extra that Lectern does not know/,
    ],
    "an unsupported weight format": [
      replaceTensor("blk.0.ffn_down.weight", {
        type: "iq4_nl",
        data: () => [new Uint8Array(576)],
      }),
      /IQ4_NL .*not supported; choose a model in F32, F16, BF16, Q8_0/,
    ],
    "an unsupported architecture": [
      ({ metadata }) => metadata.set("general.architecture", { type: "string", value: "mamba" }),
      /"mamba" is not supported; choose a model of llama, qwen2, qwen3, gemma3, phi3/,
    ],
    "a mixture of experts": [number("llama.expert_count", 8), /mixture of 8 experts/],
    "no weights at all": [
      ({ tensors }) => {
        tensors.length = 0;
      },
      /nothing to run/,
    ],
  };
  for (const [name, [change, message]] of Object.entries(cases))
    it(`is refused: ${name}`, async () => {
      const contents = smallModel();
      change(contents);
      await writeGguf(path(), contents);
      await assertRefusedModel(path(), message);
    });

  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    it(`is refused: weights that are ${value}`, async () => {
      const contents = smallModel();
      replaceTensor("blk.0.ffn_down.weight", { data: filled(1024, value) })(contents);
      await writeGguf(path(), contents);
      const model = await openModel(path());
      await assert.rejects(
        model.get("down", 0)?.slices().next() ?? Promise.resolve(),
        /blk\.0\.ffn_down\.weight holds a weight that is no number/,
      );
      await model.close();
    });
});
