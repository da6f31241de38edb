// What `lectern calibrate` finds out about a model, kept beside the saved caches under the digest of the model's file:
// SmoothAttention's λ of every layer. Checksummed, and it appears by renaming.

import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { DecoderConfig } from "../model/decoderConfig.ts";
import { writeRemedy } from "../systemProblem.ts";
import { fileVersion, modelDigest } from "./modelDigest.ts";
import { defaultCacheFolder } from "./snapshotStore.ts";

/** Since 2, keys are looked at without their bias where caches hold them so. */
const VERSION = 2;

export interface Calibration {
  /** Tokens it was made from. */
  readonly tokens: number;
  /** λ of each layer [numKvHeads, headDim]. */
  readonly lambdas: readonly Float32Array[];
}

interface Saved {
  readonly version: number;
  /** SHA-256 of the model's file. */
  readonly model: string;
  readonly tokens: number;
  /** Base64 of 32-bit floats, one string a layer. */
  readonly lambdas: readonly string[];
  readonly sha256: string;
}

/** Save a calibration of the model whose file has this digest; returns its path. Throws UserError when it cannot be written. */
export async function saveCalibration(
  { tokens, lambdas }: Calibration,
  { digest, folder = defaultCacheFolder() }: { digest: string; folder?: string | undefined },
): Promise<string> {
  const path = pathOf(folder, digest);
  const facts = {
    version: VERSION,
    model: digest,
    tokens,
    lambdas: lambdas.map((layer) => Buffer.from(layer.slice().buffer).toString("base64")),
  };
  const saved: Saved = { ...facts, sha256: checksum(facts) };
  const temporary = `${path}.${process.pid}-${randomBytes(6).toString("hex")}.part`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(temporary, JSON.stringify(saved), { mode: 0o600, flush: true });
    await rename(temporary, path);
    return path;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new UserError(
      `The calibration cannot be saved in ${folder} (${error.message}): ${writeRemedy(error)} or choose another --cache-dir.`,
    );
  }
}

/**
 * The calibration of the model at `path`.
 * @throws UserError where there is none, or none that can be used
 */
export async function readCalibration(
  path: string,
  config: Pick<DecoderConfig, "numLayers" | "numKvHeads" | "headDim">,
  { folder = defaultCacheFolder(), signal }: { folder?: string | undefined; signal?: AbortSignal },
): Promise<Calibration> {
  const version = await fileVersion(path);
  const digest = await modelDigest(path, { folder, version, ...(signal && { signal }) });
  if (digest === undefined)
    throw new UserError(`${path} changes while it is read: wait until it is whole.`);
  const file = pathOf(folder, digest);
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) {
    throw new UserError(
      `${path} has not been calibrated for --cache-smoothing: run \`lectern calibrate TEXT\` with this model first, or leave the option out.`,
    );
  }
  const calibration = parse(text, digest, config);
  if (calibration) return calibration;
  throw new UserError(
    `The calibration in ${file} is damaged: run \`lectern calibrate TEXT\` with this model again.`,
  );
}

function pathOf(folder: string, digest: string): string {
  return join(folder, `${digest}.calibration.json`);
}

function parse(
  text: string,
  digest: string,
  { numLayers, numKvHeads, headDim }: Pick<DecoderConfig, "numLayers" | "numKvHeads" | "headDim">,
): Calibration | undefined {
  try {
    // The checksum says that this program wrote it.
    const { sha256, ...facts } = JSON.parse(text) as Saved;
    if (sha256 !== checksum(facts) || facts.version !== VERSION || facts.model !== digest)
      return undefined;
    const lambdas = facts.lambdas.map(
      (layer) => new Float32Array(new Uint8Array(Buffer.from(layer, "base64")).buffer),
    );
    const isWhole =
      lambdas.length === numLayers &&
      lambdas.every((layer) => layer.length === numKvHeads * headDim && layer.every(isPositive));
    return isWhole ? { tokens: facts.tokens, lambdas } : undefined;
  } catch {
    return undefined;
  }
}

function isPositive(value: number): boolean {
  return value > 0 && Number.isFinite(value);
}

function checksum({ version, model, tokens, lambdas }: Omit<Saved, "sha256">): string {
  const hash = createHash("sha256");
  return hash.update(JSON.stringify([version, model, tokens, lambdas])).digest("hex");
}
