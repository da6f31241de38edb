// Finds what ships beside the code (kernels, the embedded model), from a checkout, a bundle or a .vsix alike.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the checkout or of the installed package: the nearest parent that holds `kernels`. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "kernels"))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new Error("Lectern's kernels folder is missing: reinstall Lectern.");
    folder = parent;
  }
  return folder;
}

/** Path of the model that ships with Lectern. */
export function embeddedModelPath(): string {
  return join(packageRoot(), "models", "lectern-mini.gguf");
}
