// `#repeat i COUNT` … `#end` in a kernel: what stands between is repeated, with `$i` counting from 0, or from 1 with
// `#repeat i 1..COUNT`. Drivers leave loops over arrays of subgroup matrices as they are, and then keep the matrices in memory: a
// quarter of the speed.

export interface KernelLine {
  readonly line: string;
  /** `file:line` of the file that a person wrote. */
  readonly origin: string;
}

const REPEAT = /^\s*#repeat ([a-z]) (?:(\d+)\.\.)?(.+?)\s*$/;
const END = /^\s*#end\s*$/;

/**
 * Write out the repeats of a kernel's lines. A count is a product or quotient of numbers and of the kernel's `constants`, from left to right.
 * @throws Error with the line's origin where a repeat does not end, or its count is not a whole number
 */
export function unrollKernel(
  lines: readonly KernelLine[],
  constants: Readonly<Record<string, number | boolean | string>>,
): readonly KernelLine[] {
  const written: KernelLine[] = [];
  for (let i = 0; i < lines.length; i++) {
    const { line, origin } = lines[i] as KernelLine;
    const [isRepeat, name = "", first = "0", count = ""] = REPEAT.exec(line) ?? [];
    if (isRepeat === undefined) {
      if (END.test(line)) throw new Error(`${origin}: nothing is repeated here`);
      written.push({ line, origin });
      continue;
    }
    const end = endOf(lines, i);
    const body = lines.slice(i + 1, end);
    const turns = countOf(count, constants, origin);
    for (let turn = Number(first); turn < turns; turn++) {
      const own = body.map((each) => ({
        ...each,
        line: each.line.replaceAll(`$${name}`, `${turn}`),
      }));
      written.push(...unrollKernel(own, constants));
    }
    i = end;
  }
  return written;
}

/** Index of the `#end` of the repeat that begins at `first`. */
function endOf(lines: readonly KernelLine[], first: number): number {
  let depth = 0;
  for (let i = first; i < lines.length; i++) {
    if (REPEAT.test(lines[i]?.line ?? "")) depth++;
    else if (END.test(lines[i]?.line ?? "")) depth--;
    if (depth === 0) return i;
  }
  throw new Error(`${lines[first]?.origin}: this repeat has no #end`);
}

function countOf(
  text: string,
  constants: Readonly<Record<string, number | boolean | string>>,
  origin: string,
): number {
  const [first = "", ...rest] = text.split(/\s*([*/])\s*/);
  const termOf = (term: string): number =>
    /^\d+$/.test(term) ? Number(term) : Number(constants[term] ?? Number.NaN);
  let count = termOf(first);
  for (let i = 0; i < rest.length; i += 2) {
    const value = termOf(rest[i + 1] ?? "");
    count = rest[i] === "*" ? count * value : count / value;
  }
  if (!Number.isInteger(count)) throw new Error(`${origin}: "${text}" is no whole number`);
  return count;
}
