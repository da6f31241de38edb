// Finds an adapter through Dawn: the one asked for, the best one, else a software driver already on the machine.

import { existsSync, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { create } from "webgpu";
import { NoAdapterError, UserError } from "../errors.ts";
import { quietly } from "./quietly.ts";

export interface AdapterRequest {
  /** Substring of the adapter's name, any case. Absent: the fastest. */
  readonly name?: string;
  /** `null` validates and compiles without a GPU; for tests. */
  readonly backend?: "null";
  /** Folders of programs that may carry a software driver, such as VS Code's own executable's. */
  readonly softwareDriverFolders?: readonly string[];
}

export interface FoundAdapter {
  /** Dawn's: it must stay referenced as long as the device lives. */
  readonly instance: GPU;
  readonly adapter: GPUAdapter;
  readonly backend: string;
  /** As people know it, such as `NVIDIA H200`. */
  readonly name: string;
}

export interface AdapterName {
  readonly backend: string;
  readonly name: string;
}

// Timestamps are otherwise rounded to 65 µs, longer than most kernels run.
const TOGGLES = [
  "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia",
  "disable-dawn-features=timestamp_quantization",
];

/**
 * The adapter to run on. A software driver that Chromium or an Electron program carries is used where no other is found.
 * @throws UserError when the name matches none, or no adapter can be had; it names the command that helps.
 */
export async function findAdapter(request: AdapterRequest = {}): Promise<FoundAdapter> {
  if (request.backend === "null") return requireAdapter(["backend=null"], "null");
  if (request.name !== undefined) return namedAdapter(request.name);
  return (
    (await tryAdapter([])) ??
    (await windowsSoftwareAdapter()) ??
    (await bundledSoftwareAdapter(request.softwareDriverFolders ?? [])) ??
    noAdapter()
  );
}

/** Every adapter Dawn sees. */
export async function listAdapters(): Promise<AdapterName[]> {
  try {
    // Dawn lists what it has when asked for an adapter that cannot exist.
    const instance = create([...TOGGLES, "adapter=\u0000none"]);
    await quietly(() => instance.requestAdapter());
  } catch (error) {
    const lines = String(error).matchAll(/backend: '(.+?)', name: '(.+?)'/g);
    return [...lines].map(([, backend = "", name = ""]) => ({ backend, name }));
  }
  return [];
}

async function namedAdapter(name: string): Promise<FoundAdapter> {
  const find = (found: AdapterName) => found.name.toLowerCase().includes(name.toLowerCase());
  listed ??= listAdapters();
  let adapters = await listed;
  if (!adapters.some(find)) {
    // It may have been plugged in since.
    listed = listAdapters();
    adapters = await listed;
  }
  const wanted = adapters.find(find);
  if (wanted === undefined) {
    const names = adapters.map((found) => found.name).join(", ") || "none";
    throw new UserError(
      `No GPU adapter's name contains "${name}" (found: ${names}): choose one of these with --adapter, or leave it out.`,
    );
  }
  return requireAdapter([`adapter=${wanted.name}`, `backend=${wanted.backend}`], wanted.backend);
}

async function requireAdapter(options: string[], backend: string): Promise<FoundAdapter> {
  const found = await tryAdapter(options, backend);
  return found ?? noAdapter();
}

async function tryAdapter(
  options: readonly string[],
  backend?: string,
  forceFallbackAdapter = false,
): Promise<FoundAdapter | undefined> {
  const key = options.join();
  const instance = instances.get(key) ?? create([...TOGGLES, ...options]);
  const request = quietly(() =>
    instance.requestAdapter({ powerPreference: "high-performance", forceFallbackAdapter }),
  );
  const adapter = await request.catch(() => null);
  // A driver may be installed meanwhile: an instance that found none is not asked again.
  if (adapter === null) return undefined;
  instances.set(key, instance);
  const name = await nameOf(adapter.info);
  return { instance, adapter, backend: backend ?? platformBackend(), name };
}

/** By what they were created with. Each has threads of its own, and of its drivers, which stay when its devices are destroyed. */
const instances = new Map<string, GPU>();

/** Begin with new instances: behind a lost device the driver may have to be opened anew. */
export function forgetInstances(): void {
  instances.clear();
  listed = undefined;
}

let listed: Promise<readonly AdapterName[]> | undefined;

/** A GPU's description names its driver alone; a software adapter's names both, and saves tests a second look. */
async function nameOf(info: GPUAdapterInfo): Promise<string> {
  if (info.isFallbackAdapter === true && info.description !== "") return info.description;
  listed ??= listAdapters();
  return adapterName(info, await listed);
}

/** The listed name that an adapter's `device` is made of, which WebGPU writes in lower case and hyphens; else what it says. */
export function adapterName(
  { device, description }: Pick<GPUAdapterInfo, "device" | "description">,
  adapters: readonly AdapterName[],
): string {
  const own = adapters.find(({ name }) => normalised(name) === normalised(device));
  return own?.name ?? (device || description || "unknown adapter");
}

function normalised(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}

function platformBackend(): string {
  return { darwin: "metal", win32: "d3d12" }[process.platform as string] ?? "vulkan";
}

async function windowsSoftwareAdapter(): Promise<FoundAdapter | undefined> {
  return process.platform === "win32" ? tryAdapter(["backend=d3d12"], "d3d12", true) : undefined;
}

/** SwiftShader beside a Chromium or Electron executable, with the Vulkan loader that comes with it. */
async function bundledSoftwareAdapter(
  folders: readonly string[],
): Promise<FoundAdapter | undefined> {
  // LECTERN_BUNDLED_DRIVER=0: rather none than a slow one.
  if (process.platform !== "linux" || process.env.LECTERN_BUNDLED_DRIVER === "0") return undefined;
  const driver = [...folders, ...knownDriverFolders()]
    .map((folder) => join(folder, "vk_swiftshader_icd.json"))
    .find((path) => existsSync(path));
  if (driver === undefined) return undefined;
  process.env.VK_ICD_FILENAMES = driver;
  process.env.VK_DRIVER_FILES = driver;
  keepLoaded(join(dirname(driver), "libvulkan.so.1"));
  return tryAdapter(["backend=vulkan"], "vulkan");
}

const BROWSERS = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "code",
  "codium",
  "code-insiders",
];
const DRIVER_FOLDERS = [
  "/usr/lib/chromium",
  "/usr/lib64/chromium-browser",
  "/opt/google/chrome",
  "/usr/share/code",
  "/usr/share/codium",
  "/snap/code/current/usr/share/code",
];

function knownDriverFolders(): string[] {
  const onPath = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .flatMap((folder) => BROWSERS.map((browser) => join(folder, browser)))
    .filter((path) => existsSync(path))
    // `code` is a script in a `bin` folder below the executable's.
    .flatMap((path) => [dirname(realpathSync(path)), dirname(dirname(realpathSync(path)))]);
  return [...onPath, ...DRIVER_FOLDERS, ...playwrightFolders()];
}

function playwrightFolders(): string[] {
  const cache = join(process.env.HOME ?? "", ".cache", "ms-playwright");
  if (!existsSync(cache)) return [];
  return readdirSync(cache).map((folder) => join(cache, folder, "chrome-linux"));
}

/** Dawn opens the loader by its bare name; a copy that is in memory already answers to it. */
function keepLoaded(path: string): void {
  if (!existsSync(path)) return;
  // glibc's RTLD_NOW | RTLD_NODELETE: Node unloads whatever is no addon, and this must stay.
  const flags = 0x2 | 0x1000;
  try {
    process.dlopen({ exports: {} }, path, flags);
  } catch {
    // Always thrown: the loader is a library, not an addon. It stays in memory all the same.
  }
}

const HINTS: Record<string, string> = {
  linux:
    "install a Vulkan driver (Debian 12: sudo apt-get install -t bookworm-backports mesa-vulkan-drivers)",
  darwin: "update macOS (a Metal device is needed)",
  win32: "update the graphics driver (Direct3D 12 or Vulkan is needed)",
};

function noAdapter(): never {
  throw new NoAdapterError(
    `No GPU adapter was found, not even a software one: ${HINTS[process.platform] ?? "install a Vulkan driver"}.`,
  );
}
