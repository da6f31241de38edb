// Reads everything under the named paths into documents, with a receipt of what was left out and why.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Observer, Skipped } from "../../protocol.ts";
import { throwIfStopped, UserError } from "../errors.ts";
import { ProgressMeter } from "../progress.ts";
import { decodeText } from "./decodeText.ts";
import {
  createDocument,
  type DocumentReader,
  type DocumentText,
  type SourceDocument,
} from "./document.ts";
import { type DocumentFormatId, documentFormatOf, documentFormats } from "./index.ts";
import { shortenReceipt } from "./receipt.ts";
import { textSkipReason } from "./skipRules.ts";
import { type FoundFile, walk } from "./walk.ts";

/** One reading stops after this much text or this many files; the receipt says so. */
const MAX_TEXT = 48 * 1024 * 1024;
const MAX_FILES = 20_000;
const MAX_NAMED_BYTES = 256 * 1024 * 1024;
const MAX_KEPT_FILES = 4 * MAX_FILES;

export interface ReadOptions {
  readonly cwd?: string;
  /** Text of editors not yet saved, by path: read instead of the file. */
  readonly unsaved?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly observer?: Observer;
  /** Documents of earlier readings: files that did not change are not read again. */
  readonly library?: Library;
}

export interface Collection {
  readonly documents: readonly SourceDocument[];
  readonly skipped: readonly Skipped[];
}

/** Keeps what was read, so that the next question reads only what changed. Owned by the engine. */
export class Library {
  readonly #entries = new Map<string, { readonly version: string; readonly read: ReadFile }>();

  get(path: string, version: string): ReadFile | undefined {
    const entry = this.#entries.get(path);
    return entry?.version === version ? entry.read : undefined;
  }

  set(path: string, version: string, read: ReadFile): void {
    if (this.#entries.size >= MAX_KEPT_FILES) this.#entries.clear();
    this.#entries.set(path, { version, read });
  }
}

type ReadFile = { readonly document: SourceDocument } | { readonly reason: string };

/** Read files, folders and globs. Throws UserError where there is nothing to read, StoppedError on the signal. */
export async function readDocuments(
  paths: readonly string[],
  options: ReadOptions = {},
): Promise<Collection> {
  const documents: SourceDocument[] = [];
  const skipped: Skipped[] = [];
  const unsaved = unsavedByAbsolutePath(options);
  const meter = new ProgressMeter(options.observer, "read", "files");
  let length = 0;
  for await (const file of walk(paths, {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.signal && { signal: options.signal }),
    unsaved: new Set(unsaved.keys()),
    onSkip: (skip) => skipped.push(skip),
  })) {
    throwIfStopped(options.signal);
    if (documents.length >= MAX_FILES || (length >= MAX_TEXT && !file.isNamed)) {
      skipped.push({ path: file.path, reason: limitReason(documents.length, length) });
      break;
    }
    const read = await readOne(file, unsaved.get(file.absolutePath), options);
    if ("reason" in read) skipped.push({ path: file.path, reason: read.reason });
    else {
      const { unread } = read.document;
      if (unread !== undefined) skipped.push({ path: file.path, reason: `unreadable ${unread}` });
      documents.push(read.document);
      length += read.document.text.length;
    }
    meter.report(documents.length, 0, file.path);
  }
  const receipt = shortenReceipt(skipped);
  if (documents.length === 0) throw nothingToRead(paths, receipt);
  meter.report(documents.length, documents.length);
  return { documents, skipped: receipt };
}

async function readOne(
  file: FoundFile,
  unsaved: string | undefined,
  options: ReadOptions,
): Promise<ReadFile> {
  if (unsaved !== undefined) return parse(file, new TextEncoder().encode(unsaved), options);
  if (file.bytes > MAX_NAMED_BYTES) {
    const megabytes = Math.round(file.bytes / 1024 / 1024);
    throw new UserError(
      `${file.path} has ${megabytes} MB; at most 256 MB are read: split the file.`,
    );
  }
  const version = `${file.modifiedMs}:${file.bytes}:${file.path}:${file.isNamed}`;
  const known = options.library?.get(file.absolutePath, version);
  if (known) return known;
  const bytes = await readBytes(file);
  const read = bytes ? await parse(file, bytes, options) : { reason: "cannot be opened" };
  options.library?.set(file.absolutePath, version, read);
  return read;
}

async function readBytes(file: FoundFile): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file.absolutePath);
  } catch (error) {
    if (!file.isNamed) return undefined;
    const detail = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw new UserError(`${file.path} cannot be opened (${detail}): check its permissions.`);
  }
}

async function parse(
  file: FoundFile,
  bytes: Uint8Array,
  { signal, observer }: ReadOptions,
): Promise<ReadFile> {
  const id = documentFormatOf(file.absolutePath);
  const format = documentFormats[id] as DocumentReader; // any entry, also the binary kinds
  if ("readBytes" in format) {
    const meter = new ProgressMeter(observer, "read", "pages");
    const onPages = (done: number, total: number): void => meter.report(done, total, file.path);
    return documentOf(file, id, () => format.readBytes(bytes, { signal, onPages }));
  }
  const text = decodeText(bytes, format.declaredEncoding?.(headOf(bytes)));
  if (text === undefined) {
    if (file.isNamed) {
      throw new UserError(
        `${file.path} is a binary file, or text in an encoding that was not recognised: name another file, or save it as UTF-8.`,
      );
    }
    return { reason: "binary file" };
  }
  const reason = file.isNamed ? undefined : textSkipReason(text, format.kind);
  return reason !== undefined
    ? { reason }
    : documentOf(file, id, async () => format.readText(text));
}

async function documentOf(
  file: FoundFile,
  id: DocumentFormatId,
  read: () => Promise<DocumentText>,
): Promise<ReadFile> {
  try {
    return { document: createDocument(file, { id, kind: documentFormats[id].kind }, await read()) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (file.isNamed) throw new UserError(`${file.path}: ${error.message}`);
    return { reason: error.message };
  }
}

function headOf(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes.subarray(0, 2048));
}

function unsavedByAbsolutePath(options: ReadOptions): Map<string, string> {
  return new Map(
    Object.entries(options.unsaved ?? {}).map(([path, text]) => [
      resolve(options.cwd ?? ".", path),
      text,
    ]),
  );
}

function limitReason(files: number, length: number): string {
  const megabytes = Math.round(length / 1024 / 1024);
  return `this file and all after it were not read: the limit of ${MAX_FILES.toLocaleString("en")} files or ${MAX_TEXT / 1024 / 1024} MB of text was reached (${files.toLocaleString("en")} files, ${megabytes} MB)`;
}

function nothingToRead(paths: readonly string[], skipped: readonly Skipped[]): UserError {
  const named = paths.join(", ");
  const [first] = skipped;
  if (!first) return new UserError(`Nothing to read in ${named}: the folder is empty.`);
  const more = skipped.length > 1 ? ` and ${skipped.length - 1} more` : "";
  return new UserError(
    `Nothing to read in ${named}: skipped ${first.path} (${first.reason})${more}.`,
  );
}
