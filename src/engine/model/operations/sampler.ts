// Host side of kernels/sample.wgsl: draws tokens on the GPU and remembers them until the host reads them.

import type { SamplingSettings } from "../../../protocol.ts";
import { BufferUsage } from "../../gpu/bufferUsage.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import { reducePart } from "./parts.ts";

/** Drawn tokens that are kept: far more than decoding runs ahead of the host. */
export const DRAWN_SIZE = 1024;

// From here on one more pass over the logits costs more than the barriers of a larger workgroup.
const LARGE_VOCABULARY = 16384;
const LARGE_WORKGROUP = 1024;
const USUAL_WORKGROUP = 256;

export class Sampler {
  /** The token the next pass reads. */
  readonly token: GPUBuffer;
  /** Token drawn for position p at index p % DRAWN_SIZE. */
  readonly drawn: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #kernel: Kernel;
  readonly #vocabSize: number;
  readonly #seen: GPUBuffer;
  readonly #settings: GPUBuffer;

  constructor(gpu: Gpu, kernel: Kernel, vocabSize: number) {
    this.#gpu = gpu;
    this.#kernel = kernel;
    this.#vocabSize = vocabSize;
    const allocate = (bytes: number, usage?: number): GPUBuffer =>
      gpu.buffers.allocate({ purpose: "parameters", bytes, ...(usage && { usage }) });
    this.token = allocate(4);
    this.drawn = allocate(4 * DRAWN_SIZE);
    this.#seen = allocate(4 * Math.ceil(vocabSize / 32));
    this.#settings = allocate(24, BufferUsage.UNIFORM | BufferUsage.COPY_DST);
  }

  /** Begin a generation: settings, and the tokens that the repetition penalty counts as seen. */
  begin(settings: SamplingSettings, prompt: readonly number[]): void {
    const words = new DataView(new ArrayBuffer(24));
    words.setFloat32(0, settings.temperature ?? 0, true);
    words.setUint32(4, settings.topK ?? 0, true);
    words.setFloat32(8, settings.topP ?? 1, true);
    words.setFloat32(12, settings.minP ?? 0, true);
    words.setFloat32(16, settings.repetitionPenalty ?? 1, true);
    words.setUint32(20, settings.seed ?? 0, true);
    this.#gpu.buffers.write(this.#settings, 0, words);
    const seen = new Uint32Array(Math.ceil(this.#vocabSize / 32));
    for (const token of prompt) seen[token >>> 5] = (seen[token >>> 5] ?? 0) | (1 << (token & 31));
    this.#gpu.buffers.write(this.#seen, 0, seen);
  }

  /** Draw from `logits` [vocabSize] and advance `step` to the pass that reads the token. */
  encode(commands: CommandList, logits: GPUBuffer, step: GPUBuffer): void {
    const { token, drawn } = this;
    commands.dispatch(this.#kernel, [logits, this.#seen, token, drawn, step, this.#settings], [1]);
  }

  dispose(): void {
    for (const buffer of [this.token, this.drawn, this.#seen, this.#settings])
      this.#gpu.buffers.release(buffer);
  }
}

export async function createSampler(gpu: Gpu, vocabSize: number): Promise<Sampler> {
  const { capabilities, kernels } = gpu;
  const kernel = await kernels
    .get(sampleSource(capabilities, vocabSize))
    // A driver may have less room for one kernel than it says for all.
    .catch(() => kernels.get(sampleSource(capabilities, vocabSize, USUAL_WORKGROUP)));
  return new Sampler(gpu, kernel, vocabSize);
}

export function sampleSource(
  capabilities: Capabilities,
  vocabSize: number,
  workgroup = workgroupOf(capabilities, vocabSize),
): KernelSource {
  return {
    file: "sample.wgsl",
    parts: reducePart(capabilities),
    constants: { WORKGROUP_SIZE: workgroup, VOCAB_SIZE: vocabSize, DRAWN_SIZE },
  };
}

function workgroupOf({ isSoftware, limits }: Capabilities, vocabSize: number): number {
  // A CPU runs a workgroup on one core, switching between its subgroups at every barrier.
  if (isSoftware) return 32;
  const { maxComputeInvocationsPerWorkgroup = 0, maxComputeWorkgroupSizeX = 0 } = limits;
  const most = Math.min(maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX);
  return vocabSize > LARGE_VOCABULARY && most >= LARGE_WORKGROUP
    ? LARGE_WORKGROUP
    : USUAL_WORKGROUP;
}
