// Compiled kernels and their bind groups, each made once. A command list is what a forward pass is made of: it can be
// encoded as often as wanted without creating an object.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { packageRoot } from "../resources.ts";
import { describeMessage, type KernelSource, linkKernel } from "./linkKernel.ts";

/** A whole buffer, or a range of it. */
export type Binding =
  | GPUBuffer
  | { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number };

export class Kernel {
  readonly pipeline: GPUComputePipeline;
  readonly label: string;
  readonly #device: GPUDevice;
  readonly #layout: GPUBindGroupLayout;
  readonly #keys = new BindingKeys();
  readonly #bindGroups = new Map<string, GPUBindGroup>();

  constructor(device: GPUDevice, pipeline: GPUComputePipeline, label: string) {
    this.#device = device;
    this.pipeline = pipeline;
    this.label = label;
    this.#layout = pipeline.getBindGroupLayout(0);
  }

  /** The bind group of these buffers, in the order of `@binding` numbers from 0. */
  bind(bindings: readonly Binding[]): GPUBindGroup {
    const key = bindings.map((binding) => this.#keys.of(binding)).join(",");
    let group = this.#bindGroups.get(key);
    if (group === undefined) {
      group = this.bindOnce(bindings);
      this.#bindGroups.set(key, group);
    }
    return group;
  }

  /** The same, without keeping it for the next time: for ranges that hardly ever come again. */
  bindOnce(bindings: readonly Binding[]): GPUBindGroup {
    return this.#device.createBindGroup({
      layout: this.#layout,
      entries: bindings.map((resource, binding) => ({
        binding,
        resource: "buffer" in resource ? resource : { buffer: resource },
      })),
      label: this.label,
    });
  }

  /** Bind groups that are kept. */
  get numBindGroups(): number {
    return this.#bindGroups.size;
  }

  /** Forget bind groups, and so the buffers they keep; after buffers were replaced. */
  forgetBindings(): void {
    this.#bindGroups.clear();
  }
}

/** Compiles kernels on demand; the linked code is the cache's key. */
export class Kernels {
  readonly #device: GPUDevice;
  readonly #files = new Map<string, string>();
  readonly #compiled = new Map<string, Promise<Kernel>>();
  readonly #folder: string;

  constructor(device: GPUDevice, folder = join(packageRoot(), "kernels")) {
    this.#device = device;
    this.#folder = folder;
  }

  /**
   * Link and compile a kernel, or return the one compiled before.
   * @throws Error with `file:line:column` of the `.wgsl` file when it does not compile.
   */
  get(source: KernelSource): Promise<Kernel> {
    const linked = linkKernel((file) => this.#read(file), source);
    let compiled = this.#compiled.get(linked.code);
    if (compiled === undefined) {
      compiled = this.#compile(source, linked);
      this.#compiled.set(linked.code, compiled);
    }
    return compiled;
  }

  /** Number of distinct kernels compiled so far. */
  get size(): number {
    return this.#compiled.size;
  }

  /** The linked code of each. */
  get codes(): Iterable<string> {
    return this.#compiled.keys();
  }

  /** Bind groups that all kernels keep: no more of them may come with every request. */
  async numBindGroups(): Promise<number> {
    const kernels = await Promise.all(this.#compiled.values());
    return kernels.reduce((sum, kernel) => sum + kernel.numBindGroups, 0);
  }

  async forgetBindings(): Promise<void> {
    for (const kernel of this.#compiled.values()) (await kernel).forgetBindings();
  }

  async #compile(source: KernelSource, linked: ReturnType<typeof linkKernel>): Promise<Kernel> {
    const label = labelOf(source);
    // An invalid module is reported by the pipeline below, with messages that are fetched then.
    this.#device.pushErrorScope("validation");
    const module = this.#device.createShaderModule({ code: linked.code, label });
    void this.#device.popErrorScope();
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        layout: "auto",
        compute: { module, entryPoint: "main" },
        label,
      });
      return new Kernel(this.#device, pipeline, label);
    } catch (error) {
      const { messages } = await module.getCompilationInfo();
      const errors = messages.filter((message) => message.type === "error");
      if (errors.length === 0) throw new Error(`${source.file}: ${String(error)}`);
      throw new Error(errors.map((message) => describeMessage(linked, message)).join("\n"));
    }
  }

  #read(file: string): string {
    let text = this.#files.get(file);
    if (text === undefined) {
      text = readFileSync(join(this.#folder, file), "utf8");
      this.#files.set(file, text);
    }
    return text;
  }
}

/** Numbers buffers and ranges for use in keys, without keeping the buffers alive. */
class BindingKeys {
  readonly #ids = new WeakMap<GPUBuffer, number>();
  #next = 1;

  of(binding: Binding): string {
    if (!("buffer" in binding)) return `${this.#id(binding)}`;
    return `${this.#id(binding.buffer)}+${binding.offset}:${binding.size}`;
  }

  #id(buffer: GPUBuffer): number {
    let id = this.#ids.get(buffer);
    if (id === undefined) {
      id = this.#next++;
      this.#ids.set(buffer, id);
    }
    return id;
  }
}

/** `matvec q8_0`: the file, and the formats that it reads. */
function labelOf({ file, parts = {} }: KernelSource): string {
  const formats = Object.values(parts).filter((part) => /^(?:weights|cache)\//.test(part));
  return [file, ...formats.map((part) => basename(part))].join(" ").replace(/\.wgsl\b/g, "");
}
