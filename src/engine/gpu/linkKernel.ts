// Links a WGSL kernel from parts: `#include "file"` pastes a file once, `#include <part>` the file chosen for that part,
// constants are declared in front, directives move to the top. `#include <part> as name` renames the part's own prefix
// (its file name's folder: `cache_` in cache/f16.wgsl), so that one part can serve twice; `#repeat` see unrollKernel.ts. Nothing
// else is preprocessed.

import { unrollKernel } from "./unrollKernel.ts";

export interface KernelSource {
  /** The kernel's file, relative to `kernels/`. */
  readonly file: string;
  /** Which file stands for each `#include <part>`. */
  readonly parts?: Readonly<Record<string, string>>;
  /** Declared as `const`: integers become u32, other numbers f32, strings are pasted as they are. */
  readonly constants?: Readonly<Record<string, number | boolean | string>>;
}

export interface LinkedKernel {
  readonly code: string;
  /** `file:line` behind each line of `code`. */
  readonly origins: readonly string[];
}

const INCLUDE = /^#include (?:"([^"]+)"|<([^>]+)>(?: as (\w+))?)\s*$/;
const DIRECTIVE = /^(?:enable|requires|diagnostic)\b.*;/;

/** Paste a kernel's files into one module. `read` returns a file's text. */
export function linkKernel(read: (file: string) => string, source: KernelSource): LinkedKernel {
  const directives = new Map<string, string>();
  const body: [line: string, origin: string][] = [];
  const included = new Set<string>();

  const include = (file: string, name?: string): void => {
    if (included.has(`${file} ${name}`)) return;
    included.add(`${file} ${name}`);
    const text = name === undefined ? read(file) : rename(read(file), file, name);
    const written = text
      .split("\n")
      .map((line, index) => ({ line, origin: `${file}:${index + 1}` }));
    for (const { line, origin } of unrollKernel(written, source.constants ?? {})) {
      const [isInclude, fixed, part, as] = INCLUDE.exec(line) ?? [];
      if (isInclude !== undefined) include(fixed ?? chosenPart(source, part ?? "", origin), as);
      else if (line.trimStart().startsWith("#"))
        throw new Error(`${origin}: cannot read "${line}"`);
      else if (DIRECTIVE.test(line)) directives.set(line.trim(), origin);
      else body.push([line, origin]);
    }
  };
  include(source.file);

  const constants = Object.entries(source.constants ?? {}).map(
    ([name, value]): [string, string] => [`const ${name} = ${literal(value)};`, `constant ${name}`],
  );
  const lines = [...directives, ...constants, ...body];
  return {
    code: lines.map(([line]) => line).join("\n"),
    origins: lines.map(([, origin]) => origin),
  };
}

/** Rewrite a compiler message so that it names the file a person wrote. */
export function describeMessage(
  kernel: LinkedKernel,
  message: { readonly lineNum: number; readonly linePos: number; readonly message: string },
): string {
  const origin = kernel.origins[message.lineNum - 1] ?? "linked kernel";
  return `${origin}:${message.linePos}: ${message.message}`;
}

function chosenPart(source: KernelSource, part: string, origin: string): string {
  const file = source.parts?.[part];
  if (file === undefined) throw new Error(`${origin}: no file is chosen for part <${part}>`);
  return file;
}

function rename(text: string, file: string, name: string): string {
  const prefix = file.slice(0, file.indexOf("/"));
  return text.replaceAll(new RegExp(`\\b${prefix}_`, "g"), `${name}_`);
}

/** A constant that stays a float when its value happens to be whole. */
export function float(value: number): string {
  return `f32(${value})`;
}

function literal(value: number | boolean | string): string {
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value < 0 ? `${value}i` : `${value}u`;
  return float(value);
}
