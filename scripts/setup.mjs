// What `npm start` and `npm test` need and may be missing on a fresh machine: each step looks first, says what it does,
// and costs next to nothing when there is nothing to do. Plain Node: it runs before any package is installed.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { aptCommand, aptInstall, canUseApt } from "./apt.mjs";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Say what is being done, on standard error. */
export function say(message) {
  console.error(`lectern: ${message}`);
}

/** Stop with one line, without a stack trace. */
export function stop(message) {
  say(message);
  process.exit(1);
}

/** Node as package.json's `engines` asks. */
export function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  stop(
    `Node ${process.versions.node} is too old: install Node 20.19 or newer (https://nodejs.org).`,
  );
}

/**
 * The packages of package-lock.json, exactly; without those for development unless `dev`, which are ten times as large.
 * Install scripts are not needed and not run.
 */
export function installPackages({ dev }) {
  if (packagesAreInstalled(dev)) return;
  say(`installing the npm packages of package-lock.json (${dev ? "a minute or two" : "seconds"})`);
  const omit = dev ? [] : ["--omit=dev"];
  const args = ["ci", ...omit, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  if (runNpm(args) !== 0) stop("npm ci failed: see above; is npm's registry reachable?");
}

/** npm records what it installed in node_modules/.package-lock.json, in the lockfile's own form. */
function packagesAreInstalled(dev) {
  const wanted = readLockfile("package-lock.json");
  const installed = readLockfile("node_modules/.package-lock.json");
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === "" ||
      entry.optional ||
      (!dev && (entry.dev || entry.devOptional)) ||
      installed[path]?.version === entry.version,
  );
}

function readLockfile(path) {
  const file = join(root, path);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : {};
}

/** Programs of dist/ (all by default), from the sources as they are. */
export async function buildPrograms(names) {
  const { build } = await import("./build.mjs");
  try {
    if (await build({ names })) say("built dist/");
  } catch {
    stop("the build failed: see above.");
  }
}

/**
 * An adapter for Dawn. Without one Mesa's software driver is installed where apt can be used, else the command is printed;
 * neither is fatal, because reading, searching and quoting need no adapter.
 */
export function installAdapter() {
  if (findAdapter()) return;
  if (process.platform !== "linux") {
    say("Dawn finds no GPU: update this machine's graphics driver.");
    return;
  }
  const packages = ["libvulkan1", "mesa-vulkan-drivers"];
  if (!canUseApt()) {
    say(`Dawn finds no Vulkan adapter. To get one, run: ${aptCommand(packages)}`);
    return;
  }
  say("Dawn finds no Vulkan adapter: installing Mesa's software driver");
  aptInstall(packages);
  const adapter = findAdapter();
  say(
    adapter ? `found ${adapter}` : "Dawn still finds no adapter: `npx lectern doctor` says more.",
  );
}

/** Name of the adapter Dawn would choose, or undefined. Asked in a process of its own: drivers may crash. */
function findAdapter() {
  const program = `
    import { create } from "webgpu";
    const adapter = await create([]).requestAdapter();
    if (!adapter) process.exit(1);
    console.log(adapter.info.description || adapter.info.vendor);
    process.exit(0);`;
  const probe = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: root,
    encoding: "utf8",
    timeout: 30_000,
  });
  return probe.status === 0 ? probe.stdout.trim() : undefined;
}

/** Chromium for the tests; its path. */
export function installChromium() {
  installPrograms(["chromium"], ["chromium", "fonts-dejavu-core", "fonts-liberation"]);
}

/** What the native modules of the VS Code server are compiled with. */
export function installCompilers() {
  installPrograms(["g++", "make", "python3"], ["g++", "make", "python3"]);
}

function installPrograms(programs, packages) {
  const missing = programs.filter((program) => !isOnPath(program));
  if (missing.length === 0) return;
  if (!canUseApt())
    stop(`${missing.join(", ")} not found. To install, run: ${aptCommand(packages)}`);
  say(`installing ${packages.join(", ")}`);
  aptInstall(packages);
}

function isOnPath(program) {
  const finder = process.platform === "win32" ? "where" : "which";
  return spawnSync(finder, [program], { stdio: "ignore" }).status === 0;
}

/** Run npm in the repository, what it prints on standard error; its exit status. */
export function runNpm(args) {
  const shell = process.platform === "win32";
  return spawnSync("npm", args, { cwd: root, stdio: ["ignore", 2, 2], shell }).status ?? 1;
}

/** Run a Node program in the repository, its output passed through; its exit status. */
export function runNode(args, env = process.env) {
  try {
    execFileSync(process.execPath, args, { cwd: root, stdio: "inherit", env });
    return 0;
  } catch (error) {
    return error.status ?? 1;
  }
}
