// Every kernel the engine can link, with the parts and constants it links it with. The compile test loops over them;
// a kernel file that no entry names fails that test.

import type { Capabilities } from "../../src/engine/gpu/capabilities.ts";
import type { KernelSource } from "../../src/engine/gpu/linkKernel.ts";

/** The variants that an adapter of these capabilities may be given. */
export type KernelVariants = (capabilities: Capabilities) => KernelSource[];

export const kernelVariants: readonly KernelVariants[] = [];
