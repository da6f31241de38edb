// A GGUF file's keys and values with checked access: a wrong type or value is one clear error that names the file.
// 64-bit integers are numbers where they are exact and bigints beyond 2^53.

import { UserError } from "../errors.ts";

export type MetadataScalar = number | bigint | boolean | string;
export type MetadataValue = MetadataScalar | readonly MetadataScalar[];

export interface IntegerRange {
  readonly min?: number;
  readonly max?: number;
}

const MAX_U32 = 2 ** 32 - 1;

export class Metadata {
  readonly path: string;
  readonly values: ReadonlyMap<string, MetadataValue>;

  constructor(path: string, values: ReadonlyMap<string, MetadataValue>) {
    this.path = path;
    this.values = values;
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** An integer within `range` (default 0 to 2^32 − 1). Throws UserError when absent, of another type or outside. */
  integer(key: string, range: IntegerRange = {}): number {
    return this.optionalInteger(key, range) ?? this.#missing(key);
  }

  optionalInteger(key: string, { min = 0, max = MAX_U32 }: IntegerRange = {}): number | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" && typeof value !== "bigint")
      return this.#refuse(key, value, "a whole number is needed");
    if (typeof value === "bigint" || !Number.isInteger(value) || value < min || value > max)
      return this.#refuse(key, value, `a whole number from ${min} to ${max} is needed`);
    return value;
  }

  /** A finite number. Throws UserError when absent, of another type, NaN or infinite. */
  number(key: string): number {
    return this.optionalNumber(key) ?? this.#missing(key);
  }

  optionalNumber(key: string): number | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isFinite(value))
      return this.#refuse(key, value, "a finite number is needed");
    return value;
  }

  string(key: string): string {
    return this.optionalString(key) ?? this.#missing(key);
  }

  optionalString(key: string): string | undefined {
    const value = this.values.get(key);
    if (value === undefined || typeof value === "string") return value;
    return this.#refuse(key, value, "text is needed");
  }

  optionalBoolean(key: string): boolean | undefined {
    const value = this.values.get(key);
    if (value === undefined || typeof value === "boolean") return value;
    return this.#refuse(key, value, "true or false is needed");
  }

  optionalStrings(key: string): readonly string[] | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    if (isArray(value) && value.every((item) => typeof item === "string")) return value;
    return this.#refuse(key, value, "a list of texts is needed");
  }

  optionalNumbers(key: string): readonly number[] | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    if (isArray(value) && value.every((item) => typeof item === "number")) return value;
    return this.#refuse(key, value, "a list of numbers is needed");
  }

  /** The error for a model that cannot be used, naming the file. */
  problem(message: string): UserError {
    return new UserError(`${this.path}: ${message}`);
  }

  #missing(key: string): never {
    throw this.problem(`the key ${key} is missing. Download or convert the model again.`);
  }

  #refuse(key: string, value: MetadataValue | undefined, need: string): never {
    throw this.problem(
      `${key} is ${describeValue(value)}; ${need}. Download or convert the model again.`,
    );
  }
}

/** A value as a message shows it, short whatever its size. */
export function describeValue(value: MetadataValue | undefined): string {
  if (isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "string")
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  return String(value);
}

function isArray(value: MetadataValue | undefined): value is readonly MetadataScalar[] {
  return Array.isArray(value);
}
