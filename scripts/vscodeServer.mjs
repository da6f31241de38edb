// The VS Code that test/vscode drives: code-server carries Microsoft's VS Code as a web server. Its native modules are
// built once, against the Node it runs under, and kept in the user's cache outside the checkout.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundledNode, hostTarget } from "./bundledNode.mjs";
import { cacheFolder, npmPackage } from "./npmPackage.mjs";

const VERSION = "4.139.1"; // VS Code 1.139.1
const NATIVE_MODULES = [
  "@vscode/spdlog",
  "@vscode/native-watchdog",
  "node-pty",
  "@vscode/sqlite3",
  "@vscode/fs-copyfile",
];

/** Install the server unless it is there; returns what starts it: `node entry --bind-addr …`. */
export function vscodeServer() {
  const node = bundledNode(hostTarget());
  const folder = join(cacheFolder(), `vscode-server-${VERSION}`);
  const ready = join(folder, ".ready");
  if (!existsSync(ready)) {
    console.error(`Installing the VS Code server ${VERSION} for the tests (once, 2 to 5 minutes).`);
    install(folder, node);
    writeFileSync(ready, "");
  }
  return { node: node.executable, entry: join(folder, "out", "node", "entry.js") };
}

function install(folder, node) {
  rmSync(folder, { recursive: true, force: true });
  const unpacked = npmPackage("code-server", VERSION);
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(dirname(partial), { recursive: true });
  cpSync(unpacked, partial, { recursive: true });
  const env = {
    ...process.env,
    PATH: [dirname(node.executable), process.env.PATH].join(delimiter),
    npm_config_nodedir: node.folder,
    npm_config_update_notifier: "false",
  };
  const npm = (cwd, ...args) =>
    execFileSync("npm", args, { cwd, env, stdio: ["ignore", "ignore", "inherit"] });
  const server = join(partial, "lib", "vscode");
  const omit = ["install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
  npm(partial, ...omit);
  npm(server, ...omit);
  console.error("Building the server's native modules.");
  npm(server, "rebuild", "--silent", ...NATIVE_MODULES);
  renameSync(partial, folder);
  rmSync(unpacked, { recursive: true, force: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = vscodeServer();
  console.error(`The VS Code server is ready: ${server.entry}`);
}
