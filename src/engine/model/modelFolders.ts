// Finds GGUF files that are on this machine already: Lectern's own folder, Ollama, LM Studio, the Hugging Face cache.
// Reads names and manifests only; never writes into another program's folder.

import { readdir, readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import type { ModelInfo } from "../../protocol.ts";
import { embeddedModelPath } from "../resources.ts";

export interface FoundModel {
  readonly id: string;
  readonly path: string;
  readonly source: ModelInfo["source"];
}

export type Environment = Readonly<Record<string, string | undefined>>;

const MAX_DEPTH = 6;
const MAX_FILES = 10000;
const MAX_MANIFEST_BYTES = 2 ** 20;
const OLLAMA_MODEL = "application/vnd.ollama.image.model";

/** Where `lectern models pull` puts models. */
export function ownModelsFolder(environment: Environment = process.env): string {
  if (environment.LECTERN_MODELS) return environment.LECTERN_MODELS;
  const home = environment.HOME ?? homedir();
  if (process.platform === "win32")
    return join(environment.LOCALAPPDATA ?? join(home, "AppData", "Local"), "lectern", "models");
  if (process.platform === "darwin")
    return join(home, "Library", "Application Support", "lectern", "models");
  return join(environment.XDG_DATA_HOME ?? join(home, ".local", "share"), "lectern", "models");
}

/** Every model file known, the embedded one first; folders that are absent or unreadable hold none. */
export async function findModels(environment: Environment = process.env): Promise<FoundModel[]> {
  const home = environment.HOME ?? environment.USERPROFILE ?? homedir();
  const embedded = embeddedModelPath();
  const found: FoundModel[] = [{ id: fileId(embedded), path: embedded, source: "embedded" }];
  found.push(...(await findOwn(ownModelsFolder(environment))));
  // The service that Ollama installs on Linux has a home of its own.
  const ollamaFolders = environment.OLLAMA_MODELS
    ? [environment.OLLAMA_MODELS]
    : [join(home, ".ollama", "models"), "/usr/share/ollama/.ollama/models"];
  for (const folder of ollamaFolders) found.push(...(await findOllama(folder)));
  for (const folder of [".lmstudio", join(".cache", "lm-studio")])
    found.push(...(await findLmStudio(join(home, folder, "models"))));
  const hub = environment.HF_HOME ?? join(home, ".cache", "huggingface");
  found.push(...(await findHuggingFace(environment.HF_HUB_CACHE ?? join(hub, "hub"))));
  const byId = new Map<string, FoundModel>();
  for (const model of found) if (!byId.has(model.id)) byId.set(model.id, model);
  return [...byId.values()];
}

async function findOwn(folder: string): Promise<FoundModel[]> {
  const files = await listFiles(folder, 1);
  return files.map((path) => ({ id: fileId(path), path: join(folder, path), source: "lectern" }));
}

/** manifests/HOST/NAMESPACE/MODEL/TAG names layers; the model's is a blob called by its digest. */
async function findOllama(folder: string): Promise<FoundModel[]> {
  const manifests = join(folder, "manifests");
  const found: FoundModel[] = [];
  for (const path of await listFiles(manifests, 4, "")) {
    const [, namespace, model, tag] = path.split("/");
    const digest = await modelDigest(join(manifests, path));
    if (namespace === undefined || model === undefined || tag === undefined || !digest) continue;
    const name = namespace === "library" ? model : `${namespace}/${model}`;
    const blob = join(folder, "blobs", digest.replace(":", "-"));
    if (await isFile(blob))
      found.push({ id: `ollama:${name}:${tag}`, path: blob, source: "ollama" });
  }
  return found;
}

async function modelDigest(manifest: string): Promise<string | undefined> {
  try {
    if ((await stat(manifest)).size > MAX_MANIFEST_BYTES) return undefined;
    const content: unknown = JSON.parse(await readFile(manifest, "utf8"));
    const layers = property(content, "layers");
    const layer = Array.isArray(layers)
      ? layers.find((entry) => property(entry, "mediaType") === OLLAMA_MODEL)
      : undefined;
    const digest = property(layer, "digest");
    return typeof digest === "string" && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : undefined;
  } catch {
    // Another program's file, perhaps half written: it names no model then.
    return undefined;
  }
}

/** PUBLISHER/MODEL/FILE.gguf. */
async function findLmStudio(folder: string): Promise<FoundModel[]> {
  const files = await listFiles(folder, MAX_DEPTH);
  return files.map((path) => ({
    id: `lm-studio:${path.replace(/\.gguf$/i, "")}`,
    path: join(folder, path),
    source: "lm-studio",
  }));
}

/** models--OWNER--NAME/snapshots/REVISION/FILE.gguf, a link to a blob. */
async function findHuggingFace(folder: string): Promise<FoundModel[]> {
  const files = await listFiles(folder, MAX_DEPTH);
  return files.flatMap((path): FoundModel[] => {
    const [repository = "", snapshots, , ...file] = path.split("/");
    if (!repository.startsWith("models--") || snapshots !== "snapshots") return [];
    const name = repository.slice("models--".length).replaceAll("--", "/");
    return [
      { id: `hf:${name}/${file.join("/")}`, path: join(folder, path), source: "hugging-face" },
    ];
  });
}

/** Paths below `folder`, with forward slashes, of files (or links to files) that end in `suffix`. */
async function listFiles(folder: string, maxDepth: number, suffix = ".gguf"): Promise<string[]> {
  const files: string[] = [];
  const visit = async (relative: string, depth: number): Promise<void> => {
    const entries = await readdir(join(folder, relative), { withFileTypes: true }).catch(() => []);
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (files.length >= MAX_FILES) return;
      const path = relative === "" ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory() && depth < maxDepth) await visit(path, depth + 1);
      else if (
        entry.name.toLowerCase().endsWith(suffix) &&
        (entry.isFile() || (entry.isSymbolicLink() && (await isFile(join(folder, path)))))
      )
        files.push(path);
    }
  };
  await visit("", 1);
  return files;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
}

function fileId(path: string): string {
  return basename(path).replace(/\.gguf$/i, "");
}

function property(value: unknown, name: string): unknown {
  // Checked to be an object; an absent property is undefined like any other.
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
