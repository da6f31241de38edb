// Nested .gitignore files as git reads them: the deepest file that says anything about a path decides.

import { readFile, stat } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import ignore, { type Ignore } from "ignore";

/** git's core.ignorecase is true by default where file systems fold case. */
const FOLDS_CASE = process.platform === "darwin" || process.platform === "win32";

interface RuleFile {
  readonly folder: string;
  readonly rules: Ignore;
}

/** Rules in force in one folder, outermost first. */
export class IgnoreRules {
  readonly #files: readonly RuleFile[];

  constructor(files: readonly RuleFile[] = []) {
    this.#files = files;
  }

  /** Rules that hold for `root`: its repository's own excludes and every .gitignore above it. */
  static async above(root: string): Promise<IgnoreRules> {
    const folders: string[] = [];
    for (let folder = root; ; folder = dirname(folder)) {
      folders.unshift(folder);
      const exclude = await readRules(join(folder, ".git", "info", "exclude"), folder);
      if (exclude || (await exists(join(folder, ".git")))) {
        return IgnoreRules.#collect(folders.slice(0, -1), exclude ? [exclude] : [], root);
      }
      if (dirname(folder) === folder) return new IgnoreRules();
    }
  }

  static async #collect(
    folders: readonly string[],
    files: RuleFile[],
    root: string,
  ): Promise<IgnoreRules> {
    let rules = new IgnoreRules(files);
    for (const folder of folders) rules = await rules.in(folder);
    // A folder that git ignores but the user names is read: what hides it must not hide its content.
    return rules.ignores(root, true) ? new IgnoreRules() : rules;
  }

  /** These rules and those of `folder`'s own .gitignore. */
  async in(folder: string): Promise<IgnoreRules> {
    const own = await readRules(join(folder, ".gitignore"), folder);
    return own ? new IgnoreRules([...this.#files, own]) : this;
  }

  ignores(path: string, isFolder: boolean): boolean {
    for (let i = this.#files.length - 1; i >= 0; i--) {
      const file = this.#files[i];
      if (!file) continue;
      const inside = relative(file.folder, path).split(sep).join("/");
      if (inside === "" || inside.startsWith("../")) continue;
      const verdict = file.rules.test(isFolder ? `${inside}/` : inside);
      if (verdict.ignored) return true;
      if (verdict.unignored) return false;
    }
    return false;
  }
}

async function readRules(path: string, folder: string): Promise<RuleFile | undefined> {
  try {
    const rules = ignore({ ignorecase: FOLDS_CASE }).add(await readFile(path, "utf8"));
    return { folder, rules };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR" || code === "EACCES";
}
