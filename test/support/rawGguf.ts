// Assembles GGUF files byte by byte, valid or not; the product's writer cannot write what a test of damage needs.

export interface RawGguf {
  readonly magic?: string;
  readonly version?: number;
  /** Default: as many as given. */
  readonly numTensors?: bigint;
  readonly numKeys?: bigint;
  readonly keys?: readonly Buffer[];
  readonly tensors?: readonly Buffer[];
  /** Instead of keys and tensors. */
  readonly body?: readonly Buffer[];
  readonly data?: Buffer;
  readonly alignment?: number;
}

export function rawGguf(file: RawGguf): Buffer {
  const { magic = "GGUF", version = 3, keys = [], tensors = [], alignment = 32 } = file;
  const numTensors = file.numTensors ?? BigInt(tensors.length);
  const numKeys = file.numKeys ?? BigInt(keys.length);
  const header = bytes(
    Buffer.from(magic),
    u32(version),
    u64(numTensors),
    u64(numKeys),
    ...(file.body ?? [...keys, ...tensors]),
  );
  const padding = Math.ceil(header.length / alignment) * alignment - header.length;
  return bytes(header, Buffer.alloc(padding), file.data ?? Buffer.alloc(0));
}

export function rawKey(key: string, type: number, value: Uint8Array | readonly number[]): Buffer {
  return bytes(rawText(key), u32(type), value);
}

export function rawTensor(tensor: {
  readonly name: string;
  readonly shape: readonly bigint[];
  readonly type: number;
  readonly offset: bigint;
}): Buffer {
  const { name, shape, type, offset } = tensor;
  return bytes(rawText(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
}

export function rawText(text: string): Buffer {
  const encoded = Buffer.from(text, "utf8");
  return bytes(u64(BigInt(encoded.length)), encoded);
}

export function bytes(...parts: readonly (Uint8Array | readonly number[])[]): Buffer {
  return Buffer.concat(parts.map((part) => Uint8Array.from(part)));
}

export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

export function u64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value);
  return buffer;
}
