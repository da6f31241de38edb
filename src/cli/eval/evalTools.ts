// What suites work with: the engine, the model's facts, the data, and a folder for the documents they make.

import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Shelf } from "../../engine/answer/shelf.ts";
import type { Engine } from "../../engine/engine.ts";
import { UserError } from "../../engine/errors.ts";
import { openModel } from "../../engine/model/loadWeights.ts";
import { resolveModel } from "../../engine/model/models.ts";
import type { Work } from "../../engine/modelHost.ts";
import { createTokenizer } from "../../engine/tokenizer/createTokenizer.ts";
import type { Tokenizer } from "../../engine/tokenizer/tokenizer.ts";
import type { ModelSettings } from "../../protocol.ts";
import { UsageError } from "../command.ts";
import { MAX_POSITIONS } from "../maxPositions.ts";
import { longestCut } from "./haystack.ts";
import { Random } from "./random.ts";

/** What is known of a model before it is loaded. */
export interface ModelFacts {
  readonly path: string;
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly trainedContextLength: number;
}

export interface EvalOptions {
  readonly engine: Engine;
  readonly work: Work;
  readonly model: ModelFacts;
  readonly settings: ModelSettings;
  readonly seed: number;
  /** Cases in a cell of the table. */
  readonly numCases: number;
  /** Folder of public texts and questions. */
  readonly dataFolder: string;
  /** Folder for documents and caches; its owner removes it. */
  readonly folder: string;
  /** Lengths in tokens, or multiples of the trained length such as `2x`. */
  readonly lengths?: readonly string[];
  readonly depths?: readonly number[];
  /** The user's own document. */
  readonly file?: string;
}

export class EvalTools {
  readonly engine: Engine;
  readonly work: Work;
  readonly model: ModelFacts;
  readonly settings: ModelSettings;
  readonly seed: number;
  readonly numCases: number;
  readonly file: string | undefined;
  /** Documents and their index, for baselines that answer outside the engine. */
  readonly shelf = new Shelf();
  readonly #options: EvalOptions;

  constructor(options: EvalOptions) {
    this.engine = options.engine;
    // The progress that counts is of cases.
    const { observer, signal } = options.work;
    this.work = { observer: observer.log ? { log: observer.log } : {}, signal };
    this.model = options.model;
    // Caches of documents that were made up are nobody's: they go with the folder.
    this.settings = { ...options.settings, cacheDir: join(options.folder, "caches") };
    this.seed = options.seed;
    this.numCases = options.numCases;
    this.file = options.file;
    this.#options = options;
  }

  /** Random choices of a case's own. */
  random(...words: readonly (string | number)[]): Random {
    return new Random(this.seed, ...words);
  }

  /** Numbers of a cell's cases. */
  get numbers(): readonly number[] {
    return Array.from({ length: this.numCases }, (_, i) => i);
  }

  /**
   * The lengths asked for, in tokens, by default `usual`. Throws UsageError for what is no length, or is longer than the
   * prose that is cut to it, where there is any.
   */
  lengths(usual: readonly string[], prose?: string): readonly number[] {
    const { tokenizer } = this.model;
    return (this.#options.lengths ?? usual).map((text) => {
      const [, number, times] = /^(\d+(?:\.\d+)?)(x?)$/.exec(text) ?? [];
      const length = Number(number) * (times ? this.model.trainedContextLength : 1);
      const longest = prose === undefined ? MAX_POSITIONS : longestCut(prose, length, tokenizer);
      if (length > longest)
        throw new UsageError(
          `--lengths may be at most ${longest} tokens${prose === undefined ? "" : ", all of the text"}, got "${text}".`,
        );
      if (Number.isFinite(length) && length >= 128) return Math.round(length);
      throw new UsageError(
        `--lengths needs tokens of at least 128 or multiples of the trained length such as 2x, got "${text}".`,
      );
    });
  }

  /** The depths asked for, in percent of the text, by default `usual`. */
  depths(usual: readonly number[]): readonly number[] {
    return this.#options.depths ?? usual;
  }

  /** Path of a file of the data folder. Throws UserError where it is missing. */
  dataFile(path: string): string {
    const file = join(this.#options.dataFolder, path);
    if (existsSync(file)) return file;
    throw new UserError(
      `${path} is missing in ${this.#options.dataFolder}: name the folder that holds it with --data.`,
    );
  }

  /** Write a document for a case; returns its path, whose last part a model is shown. */
  async writeDocument(name: string, text: string): Promise<string> {
    const path = join(this.#options.folder, "documents", name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    return path;
  }
}

/** The facts of the model that a setting names. Throws UserError for one that cannot be used. */
export async function modelFacts(setting: string | undefined): Promise<ModelFacts> {
  const path = await resolveModel(setting);
  const file = await openModel(path);
  try {
    const { values } = file.file.metadata;
    return {
      path,
      name: String(values.get("general.name") ?? path),
      tokenizer: createTokenizer(values),
      trainedContextLength: file.config.trainedContextLength,
    };
  } finally {
    await file.close();
  }
}
