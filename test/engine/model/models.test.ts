// Models found on a machine: Lectern's own, those of other programs (read only), and what can be said of each.

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../../../src/engine/errors.ts";
import {
  inspectModel,
  listModels,
  removeModel,
  resolveModel,
} from "../../../src/engine/model/models.ts";
import { embeddedModelPath } from "../../../src/engine/resources.ts";
import { writeRandomModel } from "../../support/randomModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const DIGEST = "a".repeat(64);

describe("the models on this machine", () => {
  const folder = useTemporaryFolder();
  const environment = (): Record<string, string> => ({
    HOME: folder(),
    LECTERN_MODELS: join(folder(), "own"),
    OLLAMA_MODELS: join(folder(), "ollama"),
  });
  const own = (): string => join(folder(), "own", "tiny.gguf");

  async function place(path: string): Promise<string> {
    await mkdir(dirname(path), { recursive: true });
    await writeRandomModel(path, {
      architecture: "llama",
      format: "f32",
      shape: { hiddenSize: 32, intermediateSize: 32, numLayers: 1 },
    });
    return path;
  }

  before(async () => {
    await place(own());
    await writeFile(join(folder(), "own", "broken.gguf"), "GGUF");
    const ollama = join(folder(), "ollama");
    await place(join(ollama, "blobs", `sha256-${DIGEST}`));
    const manifests = join(ollama, "manifests", "registry.ollama.ai");
    const layers = [
      { mediaType: "application/vnd.ollama.image.model", digest: `sha256:${DIGEST}` },
    ];
    for (const [name, content] of [
      ["library/tiny/1b", JSON.stringify({ layers })],
      ["someone/else/latest", JSON.stringify({ layers })],
      ["library/escapes/x", JSON.stringify({ layers: [{ ...layers[0], digest: "../../x" }] })],
      ["library/broken/x", "{"],
    ] as const) {
      await mkdir(dirname(join(manifests, name)), { recursive: true });
      await writeFile(join(manifests, name), content);
    }
    await place(join(folder(), ".lmstudio", "models", "maker", "model", "file-Q4_0.gguf"));
    const hub = join(folder(), ".cache", "huggingface", "hub", "models--maker--name");
    const blob = await place(join(hub, "blobs", "b10b"));
    await mkdir(join(hub, "snapshots", "rev"), { recursive: true });
    await symlink(blob, join(hub, "snapshots", "rev", "file.gguf"));
  });

  it("are listed by id with what is wrong with them", async () => {
    const models = await listModels(environment());
    const byId = new Map(models.map((model) => [model.id, model]));
    assert.deepEqual([...byId.keys()].filter((id) => !id.startsWith("lectern-mini")).sort(), [
      "broken",
      "hf:maker/name/file.gguf",
      "lm-studio:maker/model/file-Q4_0",
      "ollama:someone/else:latest",
      "ollama:tiny:1b",
      "tiny",
    ]);
    assert.equal(models[0]?.source, "embedded");
    assert.equal(models[0]?.problem, undefined);
    assert.equal(byId.get("ollama:tiny:1b")?.architecture, "llama");
    assert.equal(byId.get("tiny")?.trainedContextLength, 4096);
    assert.match(byId.get("broken")?.problem ?? "", /not a usable GGUF file/);
  });

  it("are resolved by id, by path, or to the embedded one", async () => {
    assert.equal(await resolveModel("tiny", environment()), own());
    assert.equal(await resolveModel(own(), environment()), own());
    assert.equal(await resolveModel(undefined, environment()), embeddedModelPath());
    await assert.rejects(
      resolveModel("absent", environment()),
      /no model "absent".*ollama:tiny:1b/,
    );
  });

  it("say all about themselves", async () => {
    const inspection = await inspectModel(own());
    assert.equal(inspection.problem, undefined);
    assert.equal(inspection.config?.hiddenSize, 32);
    assert.equal(inspection.tensors.length, 12);
    assert.deepEqual(Object.keys(inspection.metadata["tokenizer.ggml.tokens"] ?? {}), [
      "count",
      "first",
    ]);
    assert.doesNotThrow(() => JSON.stringify(inspection));
    await assert.rejects(inspectModel(join(folder(), "own", "broken.gguf")), UserError);
  });

  it("are removed only from Lectern's own folder", async () => {
    await assert.rejects(removeModel("ollama:tiny:1b", environment()), /belongs to ollama/);
    await assert.rejects(removeModel("absent", environment()), /no model "absent"/);
    assert.equal(await removeModel("tiny", environment()), own());
    assert.ok(!existsSync(own()));
    assert.deepEqual(readdirSync(join(folder(), "own")), ["broken.gguf"]);
  });
});
