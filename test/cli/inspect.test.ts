// `inspect` says of a model what `generate` would.

import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../src/engine/errors.ts";
import { type WritableValue, writeGguf } from "../../src/engine/model/ggufWriter.ts";
import { inspectModel } from "../../src/engine/model/models.ts";
import { openTokenizer } from "../../src/engine/openTokenizer.ts";
import { smallModel } from "../support/randomModel.ts";
import { assertRefusedModel } from "../support/refusedModel.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";

describe("inspect", () => {
  const folder = useTemporaryFolder();

  type Change = (metadata: Map<string, WritableValue>) => void;
  async function written(change: Change): Promise<string> {
    const path = join(folder(), "model.gguf");
    const { metadata, tensors } = smallModel();
    const changed = new Map(metadata);
    change(changed);
    await writeGguf(path, { metadata: changed, tensors });
    return path;
  }
  const number =
    (key: string, value: number, type: "u32" | "f32" = "u32"): Change =>
    (metadata) =>
      metadata.set(key, { type, value });
  const token =
    (at: number, piece: string): Change =>
    (metadata) => {
      const tokens = metadata.get("tokenizer.ggml.tokens");
      assert.ok(tokens?.type === "strings");
      metadata.set("tokenizer.ggml.tokens", { ...tokens, value: tokens.value.with(at, piece) });
    };

  it("says that an untouched model can run", async () => {
    assert.equal((await inspectModel(await written(() => {}))).problem, undefined);
  });

  for (const [name, change] of [
    ["an end beyond the vocabulary", number("tokenizer.ggml.eos_token_id", 4294967295)],
    ["a beginning beyond the vocabulary", number("tokenizer.ggml.bos_token_id", 9999)],
    ["a token twice", token(20, "<0x0A>")],
    ["a byte that is none", token(20, "<0x-1>")],
  ] as const) {
    it(`refuses ${name} with the sentence that running it gives`, async () => {
      const path = await written(change);
      const { problem, config } = await inspectModel(path);
      assert.equal(config, undefined);
      await assert.rejects(
        openTokenizer(path),
        (error) => error instanceof UserError && error.message === problem,
      );
    });
  }

  for (const value of [0, -10000, Number.NaN]) {
    it(`refuses a rope.freq_base of ${value}, as running it does`, async () => {
      const path = await written(number("llama.rope.freq_base", value, "f32"));
      assert.match((await inspectModel(path)).problem ?? "", /llama\.rope\.freq_base is/);
      await assertRefusedModel(path, /llama\.rope\.freq_base is/);
    });
  }
});
