// GPT-2's alphabet: every byte is written as one printable character, so that byte-level pieces are text.

const UTF8 = new TextEncoder();

/** The character that stands for each byte. */
export const BYTE_CHARACTERS: readonly string[] = createAlphabet();

const BYTES = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));

/** The bytes a byte-level piece stands for; characters outside the alphabet stand for themselves. */
export function pieceBytes(piece: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of piece) {
    const byte = BYTES.get(character);
    if (byte === undefined) bytes.push(...UTF8.encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** The byte-level piece that stands for these bytes. */
export function bytesPiece(bytes: Iterable<number>): string {
  let piece = "";
  for (const byte of bytes) piece += BYTE_CHARACTERS[byte];
  return piece;
}

function createAlphabet(): string[] {
  // Bytes that are not printable in Latin-1 are moved, in order, behind U+0100.
  let moved = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
    return String.fromCodePoint(isPrintable ? byte : moved++);
  });
}
