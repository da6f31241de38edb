// A model that cannot fit is refused before anything is uploaded, with needed and available bytes.

import assert from "node:assert/strict";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../../src/engine/errors.ts";
import { loadModel } from "../../../src/engine/loadModel.ts";
import { encodeHeader, type WritableTensor } from "../../../src/engine/model/ggufWriter.ts";
import { useGpu } from "../../support/gpu.ts";
import { randomModelContents } from "../../support/randomModel.ts";
import { skip } from "../../support/skip.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const HIDDEN_SIZE = 2 ** 14;
const INTERMEDIATE_SIZE = 2 ** 24;
const TIB = 2 ** 40;

describe("a model of three tebibytes", () => {
  const folder = useTemporaryFolder();
  const gpu = useGpu();

  it("is refused by a software adapter at once", async function () {
    if (!gpu().capabilities.isSoftware) skip(this, "no software adapter");
    const path = join(folder(), "huge.gguf");
    await writeFile(path, hugeHeader());
    await truncate(path, 4 * TIB);
    await assert.rejects(loadModel(gpu(), path), (error) => {
      assert.ok(error instanceof UserError, String(error));
      assert.match(error.message, /huge\.gguf needs 3\d+\.\d GiB of GPU memory \(\d+ bytes/);
      assert.match(error.message, /\(\d+ bytes\) are available: choose a smaller model/);
      return true;
    });
    assert.equal(gpu().buffers.bytes().weights ?? 0, 0);
  });
});

/** A one-layer model whose MLP alone takes 3 TiB in F32; the file behind it is sparse. */
function hugeHeader(): Buffer {
  const shape = { hiddenSize: 32, intermediateSize: 64, numLayers: 1, numHeads: 2, headDim: 16 };
  const { metadata, tensors } = randomModelContents({
    architecture: "llama",
    format: "f32",
    shape,
  });
  metadata.set("llama.embedding_length", { type: "u32", value: HIDDEN_SIZE });
  metadata.set("llama.feed_forward_length", { type: "u32", value: INTERMEDIATE_SIZE });
  const grow = (tensor: WritableTensor): WritableTensor => {
    const isAttentionOutput = tensor.name.includes("attn_output");
    // The heads stay 32 wide together, as many as the hidden size was; only the other side of their matrices grows.
    const widthOf = (extent: number, axis: number): number =>
      extent === 64
        ? INTERMEDIATE_SIZE
        : extent === 32 && !(isAttentionOutput && axis === 0) && !isHeads(tensor.name, axis)
          ? HIDDEN_SIZE
          : extent;
    return { ...tensor, shape: tensor.shape.map(widthOf) };
  };
  return encodeHeader({ metadata, tensors: tensors.map(grow) });
}

/** Rows of q, k and v are heads. */
function isHeads(name: string, axis: number): boolean {
  return axis === 1 && /attn_[qkv]\./.test(name);
}
