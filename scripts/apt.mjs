// Installs Debian packages, as root or through a sudo that asks no password. Mesa must be new enough for Dawn, so on
// Debian 12 it comes from bookworm-backports (its own 22.3 lacks dynamically indexed descriptors).

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const backports = "bookworm-backports";
const backportsFile = "/etc/apt/sources.list.d/lectern-backports.list";

/** Whether apt-get is here and may be used without asking anything. */
export function canUseApt() {
  return existsSync("/usr/bin/apt-get") && (isRoot() || run("sudo", ["-n", "true"]) === 0);
}

/** The command a user would run for what `aptInstall` does. */
export function aptCommand(packages) {
  if (!existsSync("/usr/bin/apt-get"))
    return `your distribution's package manager for: ${packages.join(" ")}`;
  const sudo = isRoot() ? "" : "sudo ";
  const source =
    needsBackports(packages) && debianMirror() !== undefined
      ? `echo "${backportsLine()}" | ${sudo}tee ${backportsFile} && `
      : "";
  return `${source}${sudo}apt-get update && ${sudo}apt-get ${installArguments(packages).join(" ")}`;
}

/** Install `packages`, adding the backports source where Mesa needs it. @throws Error when apt fails */
export function aptInstall(packages) {
  if (needsBackports(packages) && !hasBackports()) {
    if (debianMirror() === undefined)
      throw new Error(`apt's sources name no Debian mirror: add ${backports} to them.`);
    console.error(`lectern: adding ${backportsFile}`);
    asRoot("tee", [backportsFile], `${backportsLine()}\n`);
  }
  asRoot("apt-get", ["update", "-qq"]);
  asRoot("apt-get", [...installArguments(packages), "-qq"]);
}

function installArguments(packages) {
  const release = needsBackports(packages) ? ["-t", backports] : [];
  return ["install", "-y", "--no-install-recommends", ...release, ...packages];
}

function asRoot(program, args, input = "") {
  const [command, ...rest] = isRoot() ? [program, ...args] : ["sudo", "-n", program, ...args];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const status = run(command, rest, { input, env, stdio: ["pipe", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed with status ${status}.`);
}

function run(command, args, options = { stdio: "ignore" }) {
  return spawnSync(command, args, options).status;
}

function isRoot() {
  return process.getuid?.() === 0;
}

function needsBackports(packages) {
  return packages.includes("mesa-vulkan-drivers") && isBookworm();
}

function isBookworm() {
  const file = "/etc/os-release";
  return existsSync(file) && /^VERSION_CODENAME=bookworm$/m.test(readFileSync(file, "utf8"));
}

function hasBackports() {
  return aptSources().some((text) => text.includes(backports));
}

function backportsLine() {
  return `deb ${debianMirror()} ${backports} main`;
}

/** The Debian mirror that this machine already uses; undefined where apt's sources name none. */
function debianMirror() {
  return aptSources()
    .flatMap((text) => [
      ...text.matchAll(/^(?:deb\s+(?:\[.*?\]\s+)?|URIs:\s*)(\S+\/debian)\/?\s/gm),
    ])
    .map((match) => match[1])[0];
}

function aptSources() {
  const folder = "/etc/apt/sources.list.d";
  const parts = existsSync(folder) ? readdirSync(folder) : [];
  return ["/etc/apt/sources.list", ...parts.map((name) => join(folder, name))]
    .filter((file) => existsSync(file) && /\.(list|sources)$/.test(file))
    .map((file) => readFileSync(file, "utf8"));
}
