// Bundles the four programs into dist/: command line, engine, extension host and webview.
// Names on the command line choose among them; nothing is done when dist/ is newer than every source, unless `--force`.
// `--watch` keeps building.

import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

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
const programs = {
  node: {
    ...node,
    // Shared chunks, so that the GPU is loaded only by the commands that need it.
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    outExtension: { ".js": ".mjs" },
    entryPoints: {
      cli: "src/cli/main.ts",
      engine: "src/engine/main.ts",
      chatTemplateProcess: "src/engine/tokenizer/chatTemplateProcess.ts",
      extractionProcess: "src/engine/documents/extractionProcess.ts",
    },
  },
  extension: {
    platform: "node",
    format: "cjs",
    target: "node20.19",
    external: ["vscode"],
    entryPoints: { extension: "src/extension/extension.ts" },
    outExtension: { ".js": ".cjs" },
  },
  webview: {
    platform: "browser",
    format: "esm",
    target: "chrome130",
    loader: { ".ttf": "file" },
    assetNames: "webview/[name]",
    entryPoints: { "webview/main": "src/webview/main.ts" },
  },
};

/**
 * Build programs into dist/; by default all of them.
 * @param {{ names?: string[], force?: boolean, watch?: boolean }} [options]
 * @returns {Promise<boolean>} whether anything had to be built
 */
export async function build({ names = Object.keys(programs), force = false, watch = false } = {}) {
  const stale = names.filter((name) => force || watch || !isUpToDate(name));
  if (stale.length === 0) return false;
  const { context } = await import("esbuild");
  await Promise.all(
    stale.map(async (name) => {
      const bundler = await context({
        ...programs[name],
        absWorkingDir: root,
        outdir: "dist",
        bundle: true,
        sourcemap: "linked",
        logLevel: "warning",
      });
      if (watch) return bundler.watch();
      await bundler.rebuild();
      await bundler.dispose();
      writeFileSync(stampOf(name), "");
    }),
  );
  return true;
}

function isUpToDate(name) {
  if (!existsSync(stampOf(name))) return false;
  const builtMs = statSync(stampOf(name)).mtimeMs;
  const inputs = ["src", "scripts/build.mjs", "package-lock.json"];
  return inputs.every((path) => newest(join(root, path)) < builtMs);
}

function stampOf(name) {
  return join(root, "dist", `.built-${name}`);
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
  const named = flags.filter((flag) => !flag.startsWith("--"));
  const built = await build({
    ...(named.length > 0 && { names: named }),
    force: flags.includes("--force"),
    watch: flags.includes("--watch"),
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.error(built ? `Built dist/ in ${seconds} s.` : "dist/ is up to date.");
}
