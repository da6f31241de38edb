#!/usr/bin/env node
// Entry point of `lectern`: finds the command, runs it, prints its result, maps errors to exit statuses.
// Exit status 0 done, 1 failed (one line on standard error), 2 wrong usage. Scripts rely on it.

import { Engine } from "../engine/engine.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./command.ts";
import { commands } from "./commands.ts";
import { oneLine } from "./errorText.ts";
import { type ParsedArguments, parseCommandLine, suggest } from "./parse.ts";
import { ProgressLine } from "./progress.ts";
import { commandUsage, generalUsage } from "./usage.ts";
import { version } from "./version.ts";

const [name = "", ...args] = process.argv.slice(2);
// A reader that closes early (`lectern read BOOK | head`) has what it wanted.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  const reason = error.code === "ENOSPC" ? "no space left" : (error.code ?? error.message);
  process.stderr.write(`lectern: standard output cannot be written: ${reason}.\n`);
  process.exit(1);
});
// A promise nobody waits for any more may still fail: one line here too.
process.on("uncaughtException", (error) => {
  process.stderr.write(`lectern: ${oneLine(error)}\n`);
  if (args.includes("--verbose")) process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
const status = await main();
// What is buffered for a pipe must be out before the process ends; Dawn's threads would keep it alive.
await new Promise((resolve) => process.stdout.write("", resolve));
process.exit(status);

async function main(): Promise<0 | 1 | 2> {
  if (name === "--version") return print(version());
  if (name === "--help" || name === "-h" || name === "help") return print(generalUsage(commands));
  let command: Command | undefined;
  let parsed: ParsedArguments;
  try {
    command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!command) throw new UsageError(unknownCommand());
    parsed = parseCommandLine(command, args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return usageError(error, command);
  }
  if (parsed.help) return print(commandUsage(name, command));
  return runCommand(command, parsed);
}

async function runCommand(command: Command, parsed: ParsedArguments): Promise<0 | 1 | 2> {
  const { json, verbose } = parsed;
  const progress = new ProgressLine(process.stderr, { verbose });
  const engine = new Engine();
  const controller = abortOnSignals(progress);
  try {
    const result = await command.run(parsed, {
      engine,
      observer: {
        progress: (done) => progress.progress(done),
        log: (level, message) => progress.log(level, message),
      },
      signal: controller.signal,
      json,
      stream: (text) => {
        if (json) return;
        progress.clear();
        process.stdout.write(text);
      },
    });
    progress.clear();
    if (json) print(JSON.stringify(result.json));
    else if (result.isVerbatim) process.stdout.write(result.text);
    else print(result.text);
    if (result.problem === undefined) return 0;
    process.stderr.write(`lectern: ${result.problem}\n`);
    return 1;
  } catch (error) {
    progress.clear();
    if (error instanceof UsageError) return usageError(error, command);
    process.stderr.write(`lectern: ${oneLine(error)}\n`);
    if (verbose && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return 1;
  } finally {
    await engine.dispose();
  }
}

/** The first Ctrl-C stops the work in hand, the second ends the process. */
function abortOnSignals(progress: ProgressLine): AbortController {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort();
    progress.clear();
    process.stderr.write("Stopping. Press Ctrl-C again to end at once.\n");
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller;
}

function print(text: string): 0 {
  if (text !== "") process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
  return 0;
}

function usageError(error: UsageError, command: Command | undefined): 2 {
  const help = command ? `lectern ${name} --help` : "lectern --help";
  process.stderr.write(`lectern: ${error.message} See ${help}\n`);
  return 2;
}

function unknownCommand(): string {
  const known = Object.keys(commands);
  if (name === "") return `a command is missing: one of ${known.join(", ")}.`;
  return `unknown command "${name}"${suggest(name, known)}.`;
}
