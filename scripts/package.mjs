// Builds a platform's .vsix: `npm run package [-- --target linux-x64]`. It holds that platform's Node and Dawn, the
// kernels, the embedded model and the bundles, so that it runs on a machine with nothing else and no network.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { bundledNode, bundledNodes, hostTarget } from "./bundledNode.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Folder of Dawn's addon inside the npm package `webgpu`, by target. */
const dawnFolders = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-arm64": "darwin-universal",
  "darwin-x64": "darwin-universal",
  "win32-x64": "win32-x64",
  "win32-arm64": "win32-arm64",
};

/** Software inside of those packages, whose licence stands with another one. */
const withinPackages =
  "PDF.js (Mozilla, inside of unpdf) is under the Apache License 2.0, whose text stands with dompurify.";

/** Packages whose code is inside the bundles or beside them: their licences go into NOTICE.txt. */
const bundledPackages = [
  ...Object.keys(readManifest().dependencies),
  ...["lit", "lit-html", "lit-element", "@lit/reactive-element"],
  ...["@vscode-elements/elements", "@vscode/codicons", "markdown-it", "dompurify"],
];

/**
 * Build the .vsix of `target` into out/ and return its path.
 * @param {string} target a VS Code platform target
 */
export async function packageExtension(target = hostTarget()) {
  if (!bundledNodes[target]) {
    throw new Error(
      `There is no package for ${target}: choose one of ${Object.keys(bundledNodes).join(", ")}.`,
    );
  }
  await build();
  const stage = join(root, "out", "package", target);
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  copyParts(stage);
  copyDawn(stage, target);
  const node = copyNode(stage, target);
  writeFileSync(join(stage, "package.json"), JSON.stringify(shippedManifest(), null, 2));
  writeFileSync(join(stage, "NOTICE.txt"), notice(node));
  return runVsce(stage, target);
}

function readManifest() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

/** The manifest without what is only for the checkout; vsce would run the scripts and list the dependencies. */
function shippedManifest() {
  const {
    scripts,
    mocha,
    bin,
    private: _,
    dependencies,
    devDependencies,
    ...rest
  } = readManifest();
  return rest;
}

function copyParts(stage) {
  const parts = [
    "package.nls.json",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    ".vscodeignore",
    "media",
    "kernels",
    "models",
    "dist/extension.cjs",
    "dist/webview",
    // Not all of dist/chunks: some are the command line's, some an earlier build's.
    ...withImports("dist/engine.mjs"),
    ...withImports("dist/chatTemplateProcess.mjs"),
    ...withImports("dist/extractionProcess.mjs"),
  ];
  for (const part of parts) {
    const from = join(root, part);
    if (existsSync(from)) cpSync(from, join(stage, part), { recursive: true, filter: isNoMap });
  }
}

/** A bundle and the chunks it imports, now or later. */
function withImports(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  const code = readFileSync(join(root, file), "utf8");
  for (const [, path] of code.matchAll(/["'](\.{1,2}\/[\w./-]+\.mjs)["']/g)) {
    const imported = join(dirname(file), path);
    if (existsSync(join(root, imported))) withImports(imported, found);
  }
  return found;
}

function isNoMap(path) {
  return !path.endsWith(".map");
}

function copyDawn(stage, target) {
  const from = join(root, "node_modules", "webgpu");
  const to = join(stage, "dist", "node_modules", "webgpu");
  const folder = dawnFolders[target];
  mkdirSync(join(to, "dist"), { recursive: true });
  for (const file of ["index.js", "package.json"]) copyFileSync(join(from, file), join(to, file));
  cpSync(join(from, "dist", folder), join(to, "dist", folder), { recursive: true });
}

function copyNode(stage, target) {
  const node = bundledNode(target);
  const to = join(stage, "bin", basename(node.executable));
  mkdirSync(dirname(to));
  copyFileSync(node.executable, to);
  chmodSync(to, 0o755);
  return node;
}

/** Every licence text that has to travel with the package. */
function notice(node) {
  const texts = [...bundledFolders()].map((folder) => {
    const { name, version, license } = manifestOf(folder);
    return `${name} ${version} (${license})\n\n${licenceText(folder)}`;
  });
  const nodeText = `Node.js ${node.version}\n\n${licenceText(node.folder)}`;
  return ["Lectern contains the following software.", withinPackages, ...texts, nodeText].join(
    `\n\n${"=".repeat(100)}\n\n`,
  );
}

/** Folders of the bundled packages and of all that they depend on. */
function bundledFolders() {
  const folders = new Set();
  const visit = (name, from) => {
    const folder = installedFolder(name, from);
    if (!folder || folders.has(folder)) return;
    folders.add(folder);
    for (const needed of Object.keys(manifestOf(folder).dependencies ?? {})) visit(needed, folder);
  };
  for (const name of bundledPackages) visit(name, root);
  return folders;
}

/** Where Node would find a package that `from` needs; none for types and other platforms' parts that are not installed. */
function installedFolder(name, from) {
  const found = join(from, "node_modules", name);
  if (existsSync(join(found, "package.json"))) return found;
  return relative(root, from) === "" ? undefined : installedFolder(name, dirname(from));
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

function licenceText(folder) {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  return file ? readFileSync(join(folder, file), "utf8").trim() : "";
}

function runVsce(stage, target) {
  const { version } = readManifest();
  const output = join(root, "out", `lectern-${target}-${version}.vsix`);
  rmSync(output, { force: true });
  // vsce needs a newer Node than Lectern's floor.
  const { executable } = bundledNode(hostTarget());
  const vsce = join(root, "node_modules", "@vscode", "vsce", "vsce");
  const options = [
    "--no-dependencies",
    "--allow-missing-repository",
    "--no-rewrite-relative-links",
  ];
  try {
    execFileSync(executable, [vsce, "package", "--target", target, "--out", output, ...options], {
      cwd: stage,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    throw new Error(`vsce failed:\n${error.stdout}${error.stderr}`, { cause: error });
  }
  return output;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { target: { type: "string" } } });
  const output = await packageExtension(values.target);
  const megabytes = (statSync(output).size / 1e6).toFixed(1);
  console.error(`Packaged ${output} (${megabytes} MB).`);
}
