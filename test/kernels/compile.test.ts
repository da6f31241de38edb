// Compiles every kernel variant on Dawn's null backend: full validation without a GPU.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { withoutOptionalFeatures } from "../../src/engine/gpu/capabilities.ts";
import { useGpu } from "../support/gpu.ts";
import { repositoryRoot } from "../support/testData.ts";
import { kernelVariants } from "./variants.ts";

describe("kernel variants on the null backend", () => {
  const gpu = useGpu({ backend: "null" });

  it("compile with every feature and without any", async () => {
    const { capabilities, kernels } = gpu();
    const failures: string[] = [];
    for (const adapter of [capabilities, withoutOptionalFeatures(capabilities)]) {
      for (const source of kernelVariants.flatMap((variants) => variants(adapter))) {
        await kernels.get(source).catch((error: unknown) => failures.push(describe(source, error)));
      }
    }
    // A mistake in a shared part fails hundreds of variants: three are enough to find it.
    assert.deepEqual(failures.slice(0, 3), [], `${failures.length} variants failed`);
  });

  it("cover every kernel file", () => {
    const folder = join(repositoryRoot, "kernels");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".wgsl"))
      .filter((file) => readFileSync(join(folder, file), "utf8").includes("@compute"));
    const covered = kernelVariants.flatMap((variants) =>
      variants(gpu().capabilities).map((source) => source.file),
    );
    assert.deepEqual(
      files.filter((file) => !covered.includes(file)),
      [],
    );
  });

  function describe(source: object, error: unknown): string {
    return `${JSON.stringify(source)}: ${String(error)}`;
  }
});
