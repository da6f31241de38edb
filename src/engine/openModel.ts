// Opens a device and loads a model onto it. The only file of the engine's outer layer that leads to Dawn.

import { stat } from "node:fs/promises";
import type { AdapterInfo, ModelInfo, ModelSettings } from "../protocol.ts";
import { fileVersion } from "./cache/modelDigest.ts";
import type { Capabilities } from "./gpu/capabilities.ts";
import type { LanguageModel } from "./languageModel.ts";
import { loadModel } from "./loadModel.ts";
import { resolveModel } from "./model/models.ts";
import type { OpenModel, Work } from "./modelHost.ts";
import { openCheckedGpu } from "./openCheckedGpu.ts";
import { embeddedModelPath } from "./resources.ts";

/**
 * The model that `settings` name, on the adapter they name.
 * @throws NoAdapterError where no adapter can be had, UserError for files and settings that cannot be used
 */
export async function openModelOnGpu(
  settings: ModelSettings,
  { observer, signal }: Work,
): Promise<OpenModel> {
  const path = await resolveModel(settings.model);
  const gpu = await openCheckedGpu({
    ...(settings.adapter !== undefined && { name: settings.adapter }),
    ...(settings.matrixUnits === "off" && { matrixUnits: "off" }),
  });
  try {
    const adapter = adapterInfo(gpu.capabilities);
    if (adapter.isSoftware) {
      observer.log?.("info", `${adapter.name} runs on the CPU: correct but slow.`);
    }
    const { matrixUnitsProblem } = gpu.capabilities;
    if (matrixUnitsProblem !== undefined) observer.log?.("warn", matrixUnitsProblem);
    const version = await fileVersion(path);
    const model = await loadModel(gpu, path, settings, { observer, signal });
    return {
      model,
      info: await modelInfo(model, path, settings.model),
      adapter,
      fileVersion: version,
      get isLost() {
        return gpu.isLost;
      },
      gpuBytes: () => gpu.buffers.bytes(),
      dispose() {
        model.dispose();
        gpu.dispose();
      },
    };
  } catch (error) {
    gpu.dispose();
    throw error;
  }
}

async function modelInfo(
  { name, architecture, trainedContextLength }: LanguageModel,
  path: string,
  id: string | undefined,
): Promise<ModelInfo> {
  const { size: bytes } = await stat(path);
  const source = path === embeddedModelPath() ? "embedded" : "file";
  return { id: id ?? "embedded", path, name, architecture, bytes, trainedContextLength, source };
}

function adapterInfo(capabilities: Capabilities): AdapterInfo {
  const { name, vendor, backend, isSoftware, features } = capabilities;
  return { name, vendor, backend, isSoftware, features: [...features].sort() };
}
