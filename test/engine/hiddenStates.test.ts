// Hidden states of a prompt behind some layers, and the pointer's file that asks for them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pointerPath, readPointer } from "../../src/engine/answer/pointer/pointerWeights.ts";
import { UserError } from "../../src/engine/errors.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import { writeGguf } from "../../src/engine/model/ggufWriter.ts";
import { loadReferenceModel, referenceLogProbabilities } from "../reference/decoder.ts";
import { assertClose } from "../support/close.ts";
import { randomPrompt } from "../support/randomModel.ts";
import { useRandomModels } from "../support/randomModels.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";

const LAYERS = [0, 2];
const TOKENS = 45;

describe("hidden states", () => {
  const folder = useTemporaryFolder();
  const { gpu, load } = useRandomModels(folder, {
    architecture: "llama",
    format: "f32",
    shape: { numLayers: 3 },
  });
  const path = () => join(folder(), "random.gguf");
  afterEach(() => rmSync(pointerPath(path()), { force: true }));

  it("of a prompt are those of the reference, whatever the chunks", async () => {
    await writePointer(path(), digestOf(path()));
    const tokens = randomPrompt(TOKENS);
    const expected: number[] = [];
    referenceLogProbabilities(await loadReferenceModel(path()), tokens, {
      onHidden: (layer, rows) => {
        if (LAYERS.includes(layer)) expected.push(...rows.flatMap((row) => [...row]));
      },
    });
    for (const chunkLength of [16, 64]) {
      const model = await load({ chunkLength, cacheTypeK: "f32", cacheTypeV: "f32" });
      const states = await model.pointer?.states(tokens);
      assert.ok(states);
      assertClose(states, expected, 1e-3);
      // What was read stays: the next run over the same prompt reads its last token alone.
      assert.equal(model.cacheStats().tokensRead, TOKENS);
      const again = await model.pointer?.states(tokens);
      assert.deepEqual(again, states);
    }
  });

  it("are not asked for where no pointer lies beside the model", async () => {
    assert.equal((await load({})).pointer, undefined);
    assert.equal(await readPointer(path()), undefined);
  });

  it("leaves a pointer aside that belongs to another model, and says so", async () => {
    await writePointer(path(), "of another");
    await assert.rejects(
      readPointer(path()),
      (error) => error instanceof UserError && /belongs to another model/.test(error.message),
    );
    const warnings: string[] = [];
    const observer = { log: (_: string, message: string) => warnings.push(message) };
    const model = await loadModel(gpu(), path(), {}, { observer });
    assert.equal(model.pointer, undefined);
    model.dispose();
    assert.match(warnings.join(), /without a span pointer.*belongs to another model/);
  });
});

function digestOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** A pointer without matrices: its states can be asked for. */
async function writePointer(model: string, sha256: string): Promise<void> {
  await writeGguf(pointerPath(model), {
    metadata: new Map([
      ["general.architecture", { type: "string", value: "span-pointer" }],
      ["lectern.pointer.model", { type: "string", value: sha256 }],
      ["lectern.pointer.layers", { type: "i32s", value: LAYERS }],
      ["lectern.pointer.longest", { type: "u32", value: 20 }],
      ["lectern.pointer.epsilon", { type: "f32", value: 1e-6 }],
    ]),
    tensors: [],
  });
}
