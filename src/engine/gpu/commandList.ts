// A list of dispatches and copies, built once and encoded as often as wanted.

import type { Binding, Kernel } from "./kernel.ts";
import type { Profiler } from "./profiler.ts";

/** Workgroups in x, y and z. */
export type Grid = readonly [x: number, y?: number, z?: number];

interface Dispatch {
  readonly kernel: Kernel;
  readonly bindGroup: GPUBindGroup;
  readonly grid: Grid;
}

interface Copy {
  readonly source: GPUBuffer;
  readonly sourceOffset: number;
  readonly target: GPUBuffer;
  readonly targetOffset: number;
  readonly bytes: number;
}

export class CommandList {
  readonly #commands: (Dispatch | Copy)[] = [];
  /** Does less than the lists it is submitted with. */
  readonly isShort: boolean;
  readonly #isFleeting: boolean;

  /** `isFleeting`: its bindings are not kept for other lists. */
  constructor({ isFleeting = false, isShort = false } = {}) {
    this.isShort = isShort;
    this.#isFleeting = isFleeting;
  }

  get length(): number {
    return this.#commands.length;
  }

  /** Run a kernel on these buffers, in the order of their `@binding` numbers. A grid with a zero is left out. */
  dispatch(kernel: Kernel, bindings: readonly Binding[], grid: Grid): void {
    if (grid.some((count) => count === 0)) return;
    const bindGroup = this.#isFleeting ? kernel.bindOnce(bindings) : kernel.bind(bindings);
    this.#commands.push({ kernel, bindGroup, grid });
  }

  /** Copy between buffers; offsets and bytes are multiples of 4. */
  copy(copy: Copy): void {
    this.#commands.push(copy);
  }

  /** Append every command, neighbouring dispatches in one pass; with a profiler each gets a pass of its own. */
  encode(encoder: GPUCommandEncoder, profiler?: Profiler): void {
    let pass: GPUComputePassEncoder | undefined;
    for (const command of this.#commands) {
      if ("source" in command) {
        pass?.end();
        pass = undefined;
        const { source, sourceOffset, target, targetOffset, bytes } = command;
        encoder.copyBufferToBuffer(source, sourceOffset, target, targetOffset, bytes);
        continue;
      }
      if (profiler !== undefined) pass?.end();
      if (pass === undefined || profiler !== undefined) {
        pass = encoder.beginComputePass(profiler?.passDescriptor(command.kernel.label) ?? {});
      }
      pass.setPipeline(command.kernel.pipeline);
      pass.setBindGroup(0, command.bindGroup);
      pass.dispatchWorkgroups(command.grid[0], command.grid[1] ?? 1, command.grid[2] ?? 1);
    }
    pass?.end();
  }
}
