// The ids of the tokens a cache stands for, 4 bytes each: a text of a million tokens takes 4 MB beside JavaScript's heap.

// Growing copies the whole list: in steps of half its size it happens a few dozen times at most.
const GROWTH = 1.5;
const LEAST_CAPACITY = 1024;

export class TokenList {
  #ids = new Uint32Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The ids as they are now, without a copy: a later change may change them or not. */
  get view(): Uint32Array {
    return this.#ids.subarray(0, this.#length);
  }

  /** Bytes of the list, with its room to grow. */
  get bytes(): number {
    return this.#ids.byteLength;
  }

  append(tokens: ArrayLike<number>): void {
    const length = this.#length + tokens.length;
    if (length > this.#ids.length) this.#resize(Math.ceil(length * GROWTH));
    this.#ids.set(tokens, this.#length);
    this.#length = length;
  }

  /** Give up all tokens from the `length`-th on; without any left the room goes as well. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
    if (this.#length === 0) this.#ids = new Uint32Array(0);
  }

  /** How many tokens `tokens` begins with alike. */
  sharedWith(tokens: ArrayLike<number>): number {
    const most = Math.min(this.#length, tokens.length);
    let shared = 0;
    while (shared < most && this.#ids[shared] === tokens[shared]) shared++;
    return shared;
  }

  #resize(capacity: number): void {
    const ids = new Uint32Array(Math.max(LEAST_CAPACITY, capacity));
    ids.set(this.view);
    this.#ids = ids;
  }
}
