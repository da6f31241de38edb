// All that the rounding of a computation depends on beside its inputs: adapter, driver and the kernels as they were linked.

import { createHash } from "node:crypto";
import { release } from "node:os";
import type { Gpu } from "../gpu/device.ts";

/** Equal digests: the same passes over the same tokens give the same bits. Call it when all kernels of a model are compiled. */
export function deviceDigest({ capabilities, kernels }: Gpu): string {
  const { name, device, vendor, architecture, backend } = capabilities;
  const { subgroupMinSize, subgroupMaxSize } = capabilities;
  // On Vulkan and Direct3D the name holds the driver's version; Metal's comes with the system.
  const adapter = [name, device, vendor, architecture, backend, subgroupMinSize, subgroupMaxSize];
  const hash = createHash("sha256").update(JSON.stringify([...adapter, systemVersion()]));
  for (const code of [...kernels.codes].sort()) hash.update(code).update("\0");
  return hash.digest("hex");
}

function systemVersion(): string {
  return process.platform === "darwin" ? release() : "";
}
