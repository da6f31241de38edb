// The quick pick of models: the embedded one, what is on this machine, and a file of the user's.

import { basename } from "node:path";
import { l10n, type QuickPickItem, QuickPickItemKind, window } from "vscode";
import type { ModelInfo } from "../protocol.ts";
import type { EngineProcess } from "./engineProcess.ts";
import { chosenModel, setModel } from "./settings.ts";

interface ModelItem extends QuickPickItem {
  /** Value for `lectern.model`; undefined opens a file dialog. */
  readonly model?: string | undefined;
  readonly browse?: boolean;
  /** Why it cannot be used. */
  readonly problem?: string | undefined;
}

const SOURCES: Record<Exclude<ModelInfo["source"], "embedded">, string> = {
  lectern: "Lectern",
  file: "Files",
  ollama: "Ollama",
  "lm-studio": "LM Studio",
  "hugging-face": "Hugging Face",
};

/** Let the user pick the model of the next questions. */
export async function chooseModel(engine: Pick<EngineProcess, "request">): Promise<void> {
  const found = engine.request("models", {}).then(({ models }) => modelItems(models));
  const picked = await window.showQuickPick<ModelItem>(found, {
    title: l10n.t("Choose Model"),
    placeHolder: l10n.t("Models on this machine"),
    matchOnDescription: true,
    matchOnDetail: true,
  });
  if (!picked) return;
  if (picked.problem !== undefined) {
    const name = picked.label.replace(/^\$\([\w-]+\) /, "");
    return void window.showWarningMessage(l10n.t("{0} cannot be used: {1}", name, picked.problem));
  }
  const model = picked.browse ? await browse() : picked.model;
  if (model !== undefined) await setModel(model);
}

/** What the chat calls the chosen model. */
export function modelLabel(): string {
  const model = chosenModel();
  return model === undefined ? "Lectern Mini" : basename(model).replace(/\.gguf$/i, "");
}

function modelItems(models: readonly ModelInfo[]): ModelItem[] {
  const current = chosenModel();
  const embedded = models.find(({ source }) => source === "embedded");
  const items: ModelItem[] = [
    {
      label: `${mark(current === undefined)} ${embedded?.name ?? "Lectern Mini"}`,
      description: embedded ? describe(embedded) : "",
      detail: l10n.t("Ships with Lectern: finds short answers, fast, on any machine."),
      model: "",
    },
  ];
  for (const [source, name] of Object.entries(SOURCES)) {
    const ofSource = models.filter((model) => model.source === source);
    if (ofSource.length === 0) continue;
    items.push({ label: name, kind: QuickPickItemKind.Separator });
    items.push(...ofSource.map((model) => modelItem(model, current)));
  }
  items.push({ label: "", kind: QuickPickItemKind.Separator });
  items.push({ label: `$(folder-opened) ${l10n.t("Browse for a GGUF file…")}`, browse: true });
  return items;
}

function modelItem(model: ModelInfo, current: string | undefined): ModelItem {
  const isCurrent = current === model.id || current === model.path;
  return {
    label: `${model.problem ? "$(circle-slash)" : mark(isCurrent)} ${model.name}`,
    description: describe(model),
    detail: model.problem ?? model.path,
    problem: model.problem,
    model: model.path,
  };
}

function mark(isCurrent: boolean): string {
  return isCurrent ? "$(check)" : "$(chip)";
}

function describe({ architecture, bytes, trainedContextLength }: ModelInfo): string {
  const size = bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
  return `${architecture} · ${size} · ${trainedContextLength.toLocaleString()} tokens`;
}

async function browse(): Promise<string | undefined> {
  const [uri] =
    (await window.showOpenDialog({
      title: l10n.t("Choose a GGUF model"),
      filters: { GGUF: ["gguf"] },
    })) ?? [];
  return uri?.fsPath;
}
