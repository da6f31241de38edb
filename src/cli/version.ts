// Versions of Lectern and of Dawn, from the manifests that ship beside the code.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../engine/resources.ts";

/** Lectern's version. */
export function version(): string {
  return manifestVersion(join(packageRoot(), "package.json"));
}

/** Version of the npm package that brings Dawn; `unknown` where only its binary was shipped. */
export function dawnVersion(): string {
  return manifestVersion(join(packageRoot(), "node_modules", "webgpu", "package.json"));
}

function manifestVersion(path: string): string {
  try {
    const manifest: unknown = JSON.parse(readFileSync(path, "utf8"));
    const isManifest = typeof manifest === "object" && manifest !== null && "version" in manifest;
    return isManifest ? String(manifest.version) : "unknown";
  } catch {
    return "unknown";
  }
}
