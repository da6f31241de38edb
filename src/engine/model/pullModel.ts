// Downloads a model into Lectern's own folder: https only, against a digest known beforehand, resumed where it stopped.
// The file appears under its name only when its digest is right and its header can be read.

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { throwIfStopped, UserError } from "../errors.ts";
import { GgufFile } from "./gguf.ts";
import { ownModelsFolder } from "./modelFolders.ts";

export interface PullOptions {
  /** SHA-256 of the file, 64 hexadecimal digits, as the model's page shows it. */
  readonly sha256: string;
  readonly folder?: string;
  readonly onProgress?: (done: number, total: number | undefined) => void;
  readonly signal?: AbortSignal;
  /** Replaced in tests. */
  readonly fetch?: typeof fetch;
}

const MAX_REDIRECTS = 5;

/**
 * Download `url` and return the model's path. What an interrupted download left is resumed. Throws UserError when the
 * address is not https, the digest differs, or the file is no GGUF.
 */
export async function pullModel(url: string, options: PullOptions): Promise<string> {
  const address = requireHttps(url);
  const sha256 = options.sha256.toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new UserError(
      `${JSON.stringify(options.sha256)} is no SHA-256: give the 64 hexadecimal digits that the model's page shows.`,
    );
  const name = address.pathname.split("/").at(-1) ?? "";
  if (!/^[\w][\w.+-]*\.gguf$/i.test(name))
    throw new UserError(`${url} does not end in the name of a GGUF file: give its direct address.`);
  const folder = options.folder ?? ownModelsFolder();
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  // The digest in the name keeps the remains of another version apart.
  const partial = join(folder, `.${name}.${sha256.slice(0, 16)}.incomplete`);
  const digest = await download(address, partial, options);
  if (digest !== sha256) {
    await rm(partial, { force: true });
    throw new UserError(
      `${url} has the SHA-256 ${digest}, not ${sha256}: it was not kept. Check address and digest.`,
    );
  }
  await requireGguf(partial);
  await rename(partial, path);
  return path;
}

/** Fetch what is missing of `partial`; the digest of the whole. */
async function download(
  url: URL,
  partial: string,
  { fetch: request = fetch, onProgress, signal }: PullOptions,
): Promise<string> {
  let hash = createHash("sha256");
  let done = await hashExisting(partial, hash);
  const response = await followRedirects(url, request, {
    ...(done > 0 ? { headers: { range: `bytes=${done}-` } } : {}),
    ...(signal ? { signal } : {}),
  });
  const isResumed = response.status === 206 && startsAt(response, done);
  if (response.status === 416 && done > 0) return hash.digest("hex");
  if ((response.status !== 200 && !isResumed) || response.body === null)
    throw new UserError(
      `${url} answered ${response.status} ${response.statusText}: check the address.`,
    );
  if (!isResumed) {
    hash = createHash("sha256");
    done = 0;
  }
  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  const total = Number.isFinite(length) ? done + length : undefined;
  await requireSpace(partial, total === undefined ? 0 : total - done);
  const handle = await open(partial, isResumed ? "a" : "w");
  try {
    for await (const chunk of response.body) {
      throwIfStopped(signal);
      await handle.writeFile(chunk);
      hash.update(chunk);
      done += chunk.length;
      onProgress?.(done, total);
    }
    await handle.sync();
  } catch (error) {
    throwIfStopped(signal);
    if (!(error instanceof TypeError)) throw error;
    throw new UserError(
      `${url} broke off after ${done} bytes (${error.message}): run the same command again to resume.`,
    );
  } finally {
    await handle.close();
  }
  if (total !== undefined && done < total)
    throw new UserError(
      `${url} broke off after ${done} of ${total} bytes: run the same command again to resume.`,
    );
  return hash.digest("hex");
}

/** Every hop is checked: a redirect to http would hand the download to anyone on the way. */
async function followRedirects(
  url: URL,
  request: typeof fetch,
  init: RequestInit,
): Promise<Response> {
  let address = url;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const response = await request(address, { ...init, redirect: "manual" }).catch(
      (error: unknown) => {
        throwIfStopped(init.signal ?? undefined);
        const cause = error instanceof Error ? (error.cause ?? error) : error;
        throw new UserError(
          `${address.href} cannot be reached (${String(cause)}): try again later.`,
        );
      },
    );
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || location === null) return response;
    await response.body?.cancel();
    address = requireHttps(new URL(location, address).href);
  }
  throw new UserError(`${url.href} redirects more than ${MAX_REDIRECTS} times: check the address.`);
}

function requireHttps(url: string): URL {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (address?.protocol === "https:") return address;
  throw new UserError(`${url} is not an https address: models are downloaded over https only.`);
}

function startsAt(response: Response, offset: number): boolean {
  return response.headers.get("content-range")?.startsWith(`bytes ${offset}-`) ?? false;
}

/** Feed what is there already to the hash; its length. */
async function hashExisting(path: string, hash: Hash): Promise<number> {
  const size = await stat(path).then(
    (stats) => stats.size,
    () => 0,
  );
  if (size > 0) for await (const chunk of createReadStream(path)) hash.update(chunk);
  return size;
}

async function requireSpace(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(join(path, ".."));
  if (bavail * bsize < bytes)
    throw new UserError(
      `${bytes} bytes are needed beside ${path} and ${bavail * bsize} are free: make room.`,
    );
}

async function requireGguf(path: string): Promise<void> {
  try {
    await (await GgufFile.open(path)).close();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}
