// What a command of `lectern` is: options, positionals and a function. Parsing, usage text and the README's table derive from it.

import type { Engine } from "../engine/engine.ts";
import type { Observer } from "../protocol.ts";

/** A wrong command line: printed with a hint at the usage, exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface Option {
  readonly type: "string" | "integer" | "number" | "boolean";
  readonly description: string;
  readonly short?: string;
  /** What the usage text calls the value, e.g. `PATH`. */
  readonly value?: string;
  /** The only values allowed: the ids of a registry. */
  readonly ids?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** May be given several times; the value is a list. */
  readonly multiple?: boolean;
  /** Heading the usage text lists it under. Default `Options`. */
  readonly group?: string;
}

export type Options = Readonly<Record<string, Option>>;

interface ScalarTypes {
  string: string;
  integer: number;
  number: number;
  boolean: boolean;
}
type ValueOf<O extends Option> = O extends { readonly multiple: true }
  ? readonly ScalarTypes[O["type"]][]
  : ScalarTypes[O["type"]];

/** Values of the options that were given, by option name. */
export type Values<O extends Options> = { readonly [Name in keyof O]?: ValueOf<O[Name]> };

export interface Input<O extends Options = Options> {
  readonly values: Values<O>;
  readonly positionals: readonly string[];
}

/** What a command works with besides its input. */
export interface Context {
  readonly engine: Engine;
  /** Reports progress and log lines on standard error. */
  readonly observer: Observer;
  readonly signal: AbortSignal;
  readonly json: boolean;
  /** Standard output now, for text that streams; does nothing under `--json`. */
  stream(text: string): void;
}

/** What a command found: printed as JSON under `--json`, else as text. */
export interface Result {
  readonly json: object;
  readonly text: string;
  /** The text is a document's own: no line end is added. */
  readonly isVerbatim?: boolean;
  /** Why the result is not whole: one line on standard error, exit status 1. */
  readonly problem?: string;
}

export interface Command<O extends Options = Options> {
  /** One sentence for lists of commands. */
  readonly summary: string;
  readonly positionals: {
    /** As the usage text shows them, e.g. `PATH…`; empty when there are none. */
    readonly usage: string;
    readonly min: number;
    readonly max: number;
  };
  readonly options: O;
  /** Example command lines, without `lectern` and the command's name. */
  readonly examples?: readonly string[];
  run(input: Input<O>, context: Context): Promise<Result>;
}

/** The command itself; its options' types are inferred for `run`. */
export function defineCommand<const O extends Options>(command: Command<O>): Command<O> {
  return command;
}
