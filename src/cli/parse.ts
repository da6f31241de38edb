// From argv to a command's typed values. Every mistake is a UsageError that names what was written and what would be right.

import { type ParseArgsConfig, parseArgs } from "node:util";
import type { Command, Input, Option, Options } from "./command.ts";
import { UsageError } from "./command.ts";

/** Options every command has. */
export const commonOptions = {
  json: { type: "boolean", description: "Print one JSON object and nothing else." },
  verbose: { type: "boolean", description: "Log more, and print stack traces of errors." },
  help: { type: "boolean", short: "h", description: "Print this text." },
} as const satisfies Options;

export interface ParsedArguments extends Input<Options> {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly help: boolean;
}

/**
 * Parse what follows the command's name.
 * @throws UsageError on an unknown option, a bad value or a wrong number of positionals (unless `--help` is given)
 */
export function parseCommandLine(command: Command, args: readonly string[]): ParsedArguments {
  const options: Options = { ...command.options, ...commonOptions };
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options: parseArgsOptions(options),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, unknown> = {};
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (!option) throw new UsageError(unknownOption(token.rawName, Object.keys(options)));
    const looksLikeOption = !token.inlineValue && /^-(?![\d.])./.test(token.value ?? "");
    if (looksLikeOption) throw new UsageError(missingValue(token.rawName));
    const value = readValue(token.rawName, option, token.value);
    if (option.multiple) values[token.name] = [...((values[token.name] as unknown[]) ?? []), value];
    else values[token.name] = value;
  }
  const help = values.help === true;
  if (!help) checkPositionals(command, positionals);
  return {
    values: values as ParsedArguments["values"],
    positionals,
    json: values.json === true,
    verbose: values.verbose === true,
    help,
  };
}

function parseArgsOptions(options: Options): NonNullable<ParseArgsConfig["options"]> {
  return Object.fromEntries(
    Object.entries(options).map(([name, { type, short }]) => [
      name,
      { type: type === "boolean" ? "boolean" : "string", multiple: true, ...(short && { short }) },
    ]),
  );
}

function readValue(
  name: string,
  option: Option,
  text: string | undefined,
): string | number | boolean {
  if (option.type === "boolean") {
    if (text !== undefined) throw new UsageError(`${name} takes no value, got "${text}".`);
    return true;
  }
  if (text === undefined || text === "") throw new UsageError(missingValue(name));
  if (option.ids && !option.ids.includes(text)) {
    const known = option.ids.join(", ");
    throw new UsageError(`${name} ${text} does not exist${suggest(text, option.ids)}: ${known}.`);
  }
  return option.type === "string" ? text : readNumber(name, option, text);
}

function missingValue(name: string): string {
  return `${name} needs a value (one that begins with a dash is written --name=VALUE).`;
}

function readNumber(name: string, option: Option, text: string): number {
  const number = Number(text);
  const isWhole = option.type === "integer";
  const { min = isWhole ? 1 : 0, max = Number.POSITIVE_INFINITY } = option;
  const isValid = Number.isFinite(number) && (!isWhole || Number.isSafeInteger(number));
  if (isValid && number >= min && number <= max) return number;
  const range = max === Number.POSITIVE_INFINITY ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new UsageError(`${name} needs a ${isWhole ? "whole " : ""}number ${range}, got "${text}".`);
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const { usage, min, max } = command.positionals;
  if (positionals.length < min) throw new UsageError(`${usage} is missing.`);
  if (positionals.length > max)
    throw new UsageError(
      max === 0
        ? `"${positionals[0]}" is one argument too many: this command takes none.`
        : `"${positionals[max]}" is one argument too many: expected ${usage}.`,
    );
}

/** `unknown option --foo (did you mean --food?)` */
export function unknownOption(rawName: string, known: readonly string[]): string {
  const name = rawName.replace(/^-+/, "");
  return `unknown option ${rawName}${suggest(name, known, "--")}.`;
}

/** ` (did you mean X?)` for the nearest of `known`, or nothing when none is near. */
export function suggest(word: string, known: readonly string[], prefix = ""): string {
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  if (!best || best.distance > Math.max(1, Math.floor(word.length / 3))) return "";
  return ` (did you mean ${prefix}${best.candidate}?)`;
}

/** Edits from `a` to `b`: insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(i - 1, j - 1) + (isSame ? 0 : 1),
          at(i - 1, j) + 1,
          at(i, j - 1) + 1,
          isSwap ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
  return at(a.length, b.length);
}
