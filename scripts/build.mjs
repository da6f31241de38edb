// Bundles the four programs into dist/: command line, engine, extension host and webview.
// Does nothing when dist/ is newer than every source; `--force` builds anyway, `--watch` keeps building.

import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = join(root, "dist", ".built");

// Bundled CommonJS packages call require(), which ES modules do not have.
const requireForEsm = {
  js: 'import { createRequire as lecternCreateRequire } from "node:module"; const require = lecternCreateRequire(import.meta.url);',
};

// The floor is package.json's engines.node. Dawn is native code, so its package stays outside the bundles.
const node = {
  platform: "node",
  format: "esm",
  target: "node20.19",
  external: ["webgpu", "canvas"],
  banner: requireForEsm,
};
const programs = [
  {
    ...node,
    // Shared chunks, so that the GPU is loaded only by the commands that need it.
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    outExtension: { ".js": ".mjs" },
    entryPoints: {
      cli: "src/cli/main.ts",
      engine: "src/engine/main.ts",
      chatTemplateProcess: "src/engine/tokenizer/chatTemplateProcess.ts",
    },
  },
  {
    platform: "node",
    format: "cjs",
    target: "node20.19",
    external: ["vscode"],
    entryPoints: { extension: "src/extension/extension.ts" },
    outExtension: { ".js": ".cjs" },
  },
  {
    platform: "browser",
    format: "esm",
    target: "chrome130",
    loader: { ".ttf": "file" },
    assetNames: "webview/[name]",
    entryPoints: { "webview/main": "src/webview/main.ts" },
  },
].filter(({ entryPoints }) =>
  Object.values(entryPoints).every((file) => existsSync(join(root, file))),
);

/**
 * Build all programs into dist/.
 * @returns {Promise<boolean>} whether anything had to be built
 */
export async function build({ force = false, watch = false } = {}) {
  if (!force && !watch && isUpToDate()) return false;
  const { context } = await import("esbuild");
  rmSync(join(root, "dist", "chunks"), { recursive: true, force: true });
  await Promise.all(
    programs.map(async (program) => {
      const bundler = await context({
        ...program,
        absWorkingDir: root,
        outdir: "dist",
        bundle: true,
        sourcemap: "linked",
        logLevel: "warning",
      });
      if (watch) return bundler.watch();
      await bundler.rebuild();
      return bundler.dispose();
    }),
  );
  writeFileSync(stamp, "");
  return true;
}

function isUpToDate() {
  if (!existsSync(stamp)) return false;
  const inputs = ["src", "scripts/build.mjs", "package-lock.json"];
  return inputs.every((path) => newest(join(root, path)) < statSync(stamp).mtimeMs);
}

function newest(path) {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  const inside = readdirSync(path).map((name) => newest(join(path, name)));
  return Math.max(status.mtimeMs, ...inside);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const flags = process.argv.slice(2);
  const began = performance.now();
  const built = await build({ force: flags.includes("--force"), watch: flags.includes("--watch") });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.error(built ? `Built dist/ in ${seconds} s.` : "dist/ is up to date.");
}
