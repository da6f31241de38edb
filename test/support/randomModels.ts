// A small model of random weights, loaded under whatever settings; what a test loaded is freed behind it.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { CacheKeeper } from "../../src/engine/cache/cacheKeeper.ts";
import type { Gpu, GpuOptions } from "../../src/engine/gpu/device.ts";
import type { LanguageModel } from "../../src/engine/languageModel.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import type { ModelSettings } from "../../src/protocol.ts";
import { useGpu } from "./gpu.ts";
import { type RandomModel, writeRandomModel } from "./randomModel.ts";

export interface RandomModels {
  /** What they are loaded on. */
  gpu(): Gpu;
  /** The model, or the one in `file`. */
  load(settings: ModelSettings, file?: string): Promise<LanguageModel>;
  /** The model with what saves and pins its cache. */
  loadKept(settings: ModelSettings): Promise<{ model: LanguageModel; keeper: CacheKeeper }>;
  /** Free what was loaded last before the test ends. */
  freeLast(): void;
}

/** Call it in a suite's body; `folder` is the suite's own. */
export function useRandomModels(
  folder: () => string,
  random: RandomModel = { architecture: "llama", format: "f32" },
  options: GpuOptions = {},
): RandomModels {
  const gpu = useGpu(options);
  const loaded: LanguageModel[] = [];
  const path = () => join(folder(), "random.gguf");
  before(() => writeRandomModel(path(), random));
  afterEach(() => {
    for (const model of loaded.splice(0)) model.dispose();
  });
  const load: RandomModels["load"] = async (settings, file = path()) => {
    const model = await loadModel(gpu(), file, settings);
    loaded.push(model);
    return model;
  };
  return {
    gpu,
    load,
    async loadKept(settings) {
      const model = await load(settings);
      assert.ok(model.keeper);
      return { model, keeper: model.keeper };
    },
    freeLast: () => loaded.pop()?.dispose(),
  };
}
