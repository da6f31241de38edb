// The alphabet of byte-level BPE: each byte is written as one printable character, as GPT-2's vocabulary does.

/** Character of each byte: itself where printable in Latin-1, else the next free one from U+0100. */
export const byteCharacters: readonly string[] = buildAlphabet();

/** The written form of a token's bytes. */
export function writeBytes(bytes: Iterable<number>): string {
  let text = "";
  for (const byte of bytes) text += byteCharacters[byte];
  return text;
}

function buildAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(isPrintable ? byte : next++);
  });
}
