// Usage texts, derived from the command registry so that they cannot lie.

import type { Command, Option, Options } from "./command.ts";
import { commonOptions } from "./parse.ts";

/** What `lectern --help` prints. */
export function generalUsage(commands: Readonly<Record<string, Command>>): string {
  const rows = Object.entries(commands).map(
    ([name, command]) => [`${name} ${command.positionals.usage}`.trim(), command.summary] as const,
  );
  return [
    "Usage: lectern <command> … [--model PATH|ID] [--json]",
    "",
    "Reads books and repositories into a local language model and answers with checked citations.",
    "",
    "Commands:",
    ...columns(rows),
    "",
    "`lectern <command> --help` lists a command's options. Results go to standard output, progress to",
    "standard error. Exit status: 0 done, 1 failed, 2 wrong usage.",
  ].join("\n");
}

/** What `lectern <name> --help` prints. */
export function commandUsage(name: string, command: Command): string {
  const groups = new Map<string, [string, Option][]>();
  const options: Options = { ...command.options, ...commonOptions };
  for (const [option, spec] of Object.entries(options)) {
    const group = option in commonOptions ? "Everywhere" : (spec.group ?? "Options");
    groups.set(group, [...(groups.get(group) ?? []), [option, spec]]);
  }
  const lines = [
    `Usage: lectern ${`${name} ${command.positionals.usage}`.trim()} [options]`,
    "",
    command.summary,
  ];
  for (const [group, rows] of groups) {
    lines.push("", `${group}:`, ...columns(rows.map(([option, spec]) => optionRow(option, spec))));
  }
  const examples = command.examples?.map((example) => `  lectern ${name} ${example}`.trimEnd());
  if (examples) lines.push("", "Examples:", ...examples);
  return lines.join("\n");
}

function optionRow(name: string, option: Option): readonly [string, string] {
  const short = option.short ? `-${option.short}, ` : "    ";
  const value =
    option.type === "boolean"
      ? ""
      : ` ${option.value ?? (option.type === "string" ? "TEXT" : "N")}`;
  const ids = option.ids ? ` One of: ${option.ids.join(", ")}.` : "";
  return [`${short}--${name}${value}`, option.description + ids];
}

/** Two aligned columns, the second wrapped at 100 characters. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(30, Math.max(...rows.map(([left]) => left.length)));
  const indent = " ".repeat(width + 4);
  return rows.flatMap(([left, right]) => {
    const [first = "", ...rest] = wrap(right, 100 - indent.length);
    const head =
      left.length > width ? [`  ${left}`, indent + first] : [`  ${left.padEnd(width)}  ${first}`];
    return [...head, ...rest.map((line) => indent + line)];
  });
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
