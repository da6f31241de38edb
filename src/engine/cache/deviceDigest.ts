// All that the rounding of a computation depends on beside its inputs: adapter, driver and the kernels as they were linked.

import { createHash } from "node:crypto";
import { release } from "node:os";
import type { Gpu } from "../gpu/device.ts";
import { LEAST_PART } from "../model/operations/attentionKernels.ts";

/** Equal digests: the same passes over the same tokens give the same bits. Call it when all kernels of a model are compiled. */
export function deviceDigest({ capabilities, kernels }: Gpu): string {
  const { name, device, vendor, architecture, backend } = capabilities;
  const { subgroupMinSize, subgroupMaxSize, usesMatrixUnits, busyWorkgroups } = capabilities;
  // On Vulkan and Direct3D the name holds the driver's version; Metal's comes with the system.
  const adapter = [name, device, vendor, architecture, backend, subgroupMinSize, subgroupMaxSize];
  // Where attention is split is for the host to decide.
  const chosen = [usesMatrixUnits, busyWorkgroups, LEAST_PART];
  const hash = createHash("sha256");
  hash.update(JSON.stringify([...adapter, systemVersion(), ...chosen]));
  for (const code of [...kernels.codes].sort()) hash.update(code).update("\0");
  return hash.digest("hex");
}

function systemVersion(): string {
  return process.platform === "darwin" ? release() : "";
}
