// Remembers the tokens of short pieces of text, because words repeat. Bounded: it starts over when full.

const NUM_ENTRIES_LIMIT = 65_536;
const LENGTH_LIMIT = 48;

export class PieceCache {
  readonly #entries = new Map<string, readonly number[]>();

  /** Append the tokens of `piece` to `output`, from memory or through `encode`. */
  append(piece: string, output: number[], encode: (piece: string, output: number[]) => void): void {
    const known = this.#entries.get(piece);
    if (known !== undefined) {
      for (const token of known) output.push(token);
      return;
    }
    const start = output.length;
    encode(piece, output);
    if (piece.length > LENGTH_LIMIT) return;
    if (this.#entries.size === NUM_ENTRIES_LIMIT) this.#entries.clear();
    // Not slices of the book: a slice would keep the whole text alive.
    this.#entries.set(detached(piece), output.slice(start));
  }
}

function detached(text: string): string {
  return Buffer.from(text, "utf16le").toString("utf16le");
}
