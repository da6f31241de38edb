// The little of protocol buffers that a SentencePiece model needs: walks the fields of one message.

export interface ProtobufField {
  readonly number: number;
  /** Wire type 0. */
  readonly varint?: bigint;
  /** Wire type 2: text, bytes or a nested message. */
  readonly bytes?: Buffer;
  /** Wire type 5, as a float. */
  readonly float?: number;
}

/** The fields of a message in order. Throws RangeError when the bytes are not one. */
export function* readProtobuf(message: Buffer): Generator<ProtobufField, void> {
  let at = 0;
  const take = (length: number): number => {
    if (length > message.length - at) throw new RangeError("the message ends within a field");
    at += length;
    return at - length;
  };
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message.readUInt8(take(1));
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new RangeError("a number is too long");
  };
  while (at < message.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case 0:
        yield { number, varint: varint() };
        break;
      case 1:
        take(8);
        break;
      case 2: {
        const length = varint();
        if (length > BigInt(message.length - at))
          throw new RangeError("the message ends within a field");
        const start = take(Number(length));
        yield { number, bytes: message.subarray(start, at) };
        break;
      }
      case 5:
        yield { number, float: message.readFloatLE(take(4)) };
        break;
      default:
        throw new RangeError(`wire type ${tag & 7n} is unknown`);
    }
  }
}
