// How many slots each KV head of a layer holds, and which rows of the layer's buffers are theirs: heads lie one behind the
// other, each with the same room to grow.

/** Words of a head in the table that kernels read, see kernels/common/heads.wgsl. */
const HEAD_WORDS = 4;

export class LayerSlots {
  #lengths: readonly number[];
  #capacity = 0;
  #listedTokens = 0;

  constructor(numKvHeads: number) {
    this.#lengths = new Array<number>(numKvHeads).fill(0);
  }

  /** Slots that hold a token, of each KV head. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /** Tokens read at the last eviction, which listed those it kept; 0 before the first. */
  get listedTokens(): number {
    return this.#listedTokens;
  }

  /** Slots of the head that holds most. */
  get longest(): number {
    return Math.max(...this.#lengths);
  }

  /** Slots of all heads together. */
  get total(): number {
    return this.#lengths.reduce((sum, length) => sum + length, 0);
  }

  /** Slots a head has buffers for, if all hold the same number. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Rows of the layer's buffers. */
  get rows(): number {
    return this.#capacity * this.#lengths.length;
  }

  /** Slots that each head can take before its rows run into the next one's. */
  get free(): number {
    return Math.floor((this.rows - this.total) / this.#lengths.length);
  }

  /** Row of each head's slot 0. */
  get firstRows(): readonly number[] {
    const { free } = this;
    let row = 0;
    return this.#lengths.map((length) => {
      const first = row;
      row += length + free;
      return first;
    });
  }

  /** Note that the layer's buffers have room for so many slots a head. */
  grow(capacity: number): void {
    this.#capacity = capacity;
  }

  /** Note that every head holds so many slots more, or fewer. */
  append(slots: number): void {
    this.#lengths = this.#lengths.map((length) => length + slots);
  }

  /** Note that heads hold so many slots, those of an eviction when `listedTokens` tokens were read. */
  hold(lengths: readonly number[], listedTokens: number): void {
    this.#lengths = [...lengths];
    this.#listedTokens = listedTokens;
  }

  /** The table for kernels whose steps count the slots of a head that holds `length`. */
  table(length: number): Uint32Array {
    const { firstRows } = this;
    const words = new Uint32Array(HEAD_WORDS * this.#lengths.length);
    for (const [head, own] of this.#lengths.entries())
      words.set([firstRows[head] ?? 0, own - length], HEAD_WORDS * head);
    return words;
  }
}

/** Bytes of the table of so many heads. */
export function tableBytes(numKvHeads: number): number {
  return 4 * HEAD_WORDS * numKvHeads;
}
