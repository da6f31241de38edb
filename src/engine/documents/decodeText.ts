// Bytes of a text file to a string: byte order marks, UTF-8, then the older encodings by their statistics.
// Line ends become LF, so that lines, quotes and offsets are the same on every system.

import { analyse } from "chardet";

const SAMPLE_BYTES = 65536;
// Below this chardet is guessing; such bytes are treated as binary.
const MIN_CONFIDENCE = 25;
const PDF_MAGIC = [0x25, 0x50, 0x44, 0x46, 0x2d];
const MAX_CONTROL_SHARE = 0.01;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is counted
const CONTROLS = /[\u0000-\u0008\u000e-\u001a\u001c-\u001f\u007f-\u009f]/g;
const C1 = /[\u0080-\u009f]/g;
/** What windows-1252 has from 0x80 to 0x9f; five places are empty and stay as they are. */
const WINDOWS_1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";
// Node's name where it differs from chardet's.
const DECODER_NAMES: Readonly<Record<string, string>> = { GB18030: "gb18030", ASCII: "utf-8" };

/** The text of `bytes` with LF line ends and no byte order mark, or undefined where they are no text. */
export function decodeText(bytes: Uint8Array, declared?: string): string | undefined {
  if (PDF_MAGIC.every((byte, i) => bytes[i] === byte)) return undefined; // a small PDF can be all ASCII
  const text = decodeMarked(bytes) ?? decodeUtf8(bytes) ?? decodeOlder(bytes, declared);
  if (text === undefined || isMostlyControls(text)) return undefined;
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

function decodeMarked(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return decodeAs("utf-16le", bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return decodeAs("utf-16be", bytes);
  return undefined;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  return bytes.subarray(0, SAMPLE_BYTES).includes(0) ? undefined : decodeAs("utf-8", bytes);
}

function decodeOlder(bytes: Uint8Array, declared: string | undefined): string | undefined {
  const sample = sampleOf(bytes);
  if (sample.includes(0)) return decodeUnmarkedUtf16(bytes, sample);
  const guesses = analyse(sample)
    .filter((guess) => guess.confidence >= MIN_CONFIDENCE)
    .map((guess) => guess.name);
  for (const name of declared === undefined ? guesses : [declared, ...guesses]) {
    const text = decodeAs(DECODER_NAMES[name] ?? name, bytes);
    if (text !== undefined) return text;
  }
  return undefined;
}

// Western text in UTF-16 has a zero in nearly every second byte, and nearly none in the others.
function decodeUnmarkedUtf16(bytes: Uint8Array, sample: Uint8Array): string | undefined {
  const zeros = [0, 0];
  sample.forEach((byte, i) => {
    if (byte === 0) zeros[i & 1] = (zeros[i & 1] ?? 0) + 1;
  });
  const [even = 0, odd = 0] = zeros.map((count) => count / (sample.length / 2));
  if (odd > 0.4 && even < 0.05) return decodeAs("utf-16le", bytes);
  if (even > 0.4 && odd < 0.05) return decodeAs("utf-16be", bytes);
  return undefined;
}

// Statistics need bytes above ASCII: a long ASCII preface would tell nothing.
function sampleOf(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte > 127 || byte === 0);
  const start = Math.max(0, first - 256) & ~1;
  return bytes.subarray(start, start + SAMPLE_BYTES);
}

function decodeAs(encoding: string, bytes: Uint8Array): string | undefined {
  try {
    const decoder = new TextDecoder(encoding, { fatal: true });
    const text = decoder.decode(bytes);
    return decoder.encoding === "windows-1252" ? text.replace(C1, windows1252) : text;
  } catch (error) {
    // RangeError: an encoding Node does not know; TypeError: bytes that are not in this encoding.
    if (error instanceof RangeError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Some versions of Node decode windows-1252 as Latin-1, whose place for quotes, dashes and the euro is controls. */
function windows1252(control: string): string {
  return WINDOWS_1252[control.charCodeAt(0) - 0x80] ?? control;
}

function isMostlyControls(text: string): boolean {
  const sample = text.slice(0, SAMPLE_BYTES);
  const controls = sample.match(CONTROLS)?.length ?? 0;
  return controls > sample.length * MAX_CONTROL_SHARE;
}
