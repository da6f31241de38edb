// A map from two numbers below 2^32 to a third, in typed arrays: a vocabulary has hundreds of thousands of merges.

export class PairTable {
  readonly #mask: number;
  readonly #keys: Uint32Array;
  readonly #values: Int32Array;

  /** `capacity`: the most entries it will hold. */
  constructor(capacity: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(capacity, 1) * 2));
    this.#mask = size - 1;
    this.#keys = new Uint32Array(size * 2);
    this.#values = new Int32Array(size).fill(-1);
  }

  /** The value of a pair, -1 if none. */
  get(left: number, right: number): number {
    return this.#values[this.#slot(left, right)]!;
  }

  /** Set the value, at least 0, of a pair that has none; the first one stays. */
  add(left: number, right: number, value: number): void {
    const slot = this.#slot(left, right);
    if (this.#values[slot]! >= 0) return;
    this.#keys[2 * slot] = left;
    this.#keys[2 * slot + 1] = right;
    this.#values[slot] = value;
  }

  #slot(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.#mask;
    while (
      this.#values[slot]! >= 0 &&
      (this.#keys[2 * slot] !== left || this.#keys[2 * slot + 1] !== right)
    )
      slot = (slot + 1) & this.#mask;
    return slot;
  }
}
