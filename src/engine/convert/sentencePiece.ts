// A SentencePiece BPE model (.model) as GGUF's `llama` tokenizer. Field numbers are those of sentencepiece_model.proto.

import { UserError } from "../errors.ts";
import type { WritableValue } from "../model/ggufWriter.ts";
import { readProtobuf } from "./protobuf.ts";
import { readBounded } from "./readBounded.ts";

const BPE = 2n;
const MAX_BYTES = 64 * 2 ** 20;

interface SentencePieceModel {
  readonly pieces: readonly {
    readonly text: string;
    readonly score: number;
    readonly type: number;
  }[];
  readonly unknown: number;
  readonly bos: number;
  readonly eos: number;
  readonly pad: number;
  readonly addsSpacePrefix: boolean;
}

/** Number of pieces and the `tokenizer.ggml.*` keys of a .model file. Throws UserError when it is not a BPE model. */
export async function readSentencePiece(
  path: string,
): Promise<{ vocabSize: number; metadata: Map<string, WritableValue> }> {
  const model = parse(await readBounded(path, MAX_BYTES), path);
  const ids = { unknown: model.unknown, bos: model.bos, eos: model.eos, padding: model.pad };
  const metadata = new Map<string, WritableValue>([
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
    ["tokenizer.ggml.tokens", { type: "strings", value: model.pieces.map(({ text }) => text) }],
    ["tokenizer.ggml.scores", { type: "f32s", value: model.pieces.map(({ score }) => score) }],
    ["tokenizer.ggml.token_type", { type: "i32s", value: model.pieces.map(({ type }) => type) }],
  ]);
  for (const [name, id] of Object.entries(ids))
    if (id >= 0 && id < model.pieces.length)
      metadata.set(`tokenizer.ggml.${name}_token_id`, { type: "u32", value: id });
  metadata.set("tokenizer.ggml.add_bos_token", { type: "bool", value: model.bos >= 0 });
  metadata.set("tokenizer.ggml.add_eos_token", { type: "bool", value: false });
  metadata.set("tokenizer.ggml.add_space_prefix", { type: "bool", value: model.addsSpacePrefix });
  return { vocabSize: model.pieces.length, metadata };
}

function parse(bytes: Buffer, path: string): SentencePieceModel {
  try {
    return parseModel(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(
      `${path} is not a SentencePiece BPE model (${error.message}): give the .model file the model was trained with.`,
    );
  }
}

function parseModel(bytes: Buffer): SentencePieceModel {
  const pieces: { text: string; score: number; type: number }[] = [];
  let trainer: Buffer = Buffer.alloc(0);
  let normalizer: Buffer = Buffer.alloc(0);
  for (const field of readProtobuf(bytes)) {
    if (field.number === 1 && field.bytes) pieces.push(parsePiece(field.bytes));
    if (field.number === 2 && field.bytes) trainer = field.bytes;
    if (field.number === 3 && field.bytes) normalizer = field.bytes;
  }
  if (pieces.length === 0) throw new RangeError("it has no pieces");
  const training = varints(trainer);
  if (training.get(3) !== BPE) throw new RangeError("its algorithm is not BPE");
  const id = (field: number, fallback: number): number =>
    Number(BigInt.asIntN(32, training.get(field) ?? BigInt(fallback)));
  return {
    pieces,
    unknown: id(40, 0),
    bos: id(41, 1),
    eos: id(42, 2),
    pad: id(43, -1),
    addsSpacePrefix: varints(normalizer).get(3) !== 0n,
  };
}

/** Types are numbered alike in SentencePiece and GGUF: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. */
function parsePiece(message: Buffer): { text: string; score: number; type: number } {
  let text = "";
  let score = 0;
  let type = 1;
  for (const field of readProtobuf(message)) {
    if (field.number === 1 && field.bytes) text = field.bytes.toString("utf8");
    if (field.number === 2 && field.float !== undefined) score = field.float;
    if (field.number === 3 && field.varint !== undefined) type = Number(field.varint);
  }
  return { text, score, type };
}

function varints(message: Buffer): ReadonlyMap<number, bigint> {
  const values = new Map<number, bigint>();
  for (const { number, varint } of readProtobuf(message))
    if (varint !== undefined) values.set(number, varint);
  return values;
}
