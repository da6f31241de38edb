// Merges neighbouring symbols by priority until none can merge: the core of every BPE.
// A heap over a linked list, O(n log n) for any input, so a megabyte of one character is as harmless as prose.

/** Says which neighbours merge, and into what. Symbol i covers units [i, end of i). */
export interface MergeRule {
  /** A handle of the merge of units [left, middle) with [middle, end), or -1. */
  candidate(left: number, middle: number, end: number): number;
  /** Lower merges first; equal priorities merge from left to right. Below 2^21. */
  priority(candidate: number): number;
  /** Called when the merge happens. */
  apply(candidate: number, left: number): void;
}

const POSITION_RANGE = 2 ** 32;

/** Reusable scratch space; not re-entrant. */
export class PairMerger {
  /** One past the last unit of the symbol that starts here, -1 where none starts. Walk it: i = ends[i]. */
  ends = new Int32Array(256);
  #previous = new Int32Array(256);
  #size = 0;
  #keys = new Float64Array(512);
  #middles = new Int32Array(512);
  #stops = new Int32Array(512);
  #candidates = new Int32Array(512);

  /** Merge `numUnits` single-unit symbols under `rule`; the result is in `ends`. */
  run(numUnits: number, rule: MergeRule): void {
    this.#reset(numUnits);
    for (let unit = 0; unit + 1 < numUnits; unit++) this.#offer(rule, unit, unit + 1);
    while (this.#size > 0) {
      const left = this.#keys[0]! % POSITION_RANGE;
      const middle = this.#middles[0]!;
      const end = this.#stops[0]!;
      const candidate = this.#candidates[0]!;
      this.#pop();
      // Either side has merged otherwise since this was offered.
      if (this.ends[left] !== middle || this.ends[middle] !== end) continue;

      this.ends[left] = end;
      this.ends[middle] = -1;
      if (end < numUnits) this.#previous[end] = left;
      rule.apply(candidate, left);
      const before = this.#previous[left]!;
      if (before >= 0) this.#offer(rule, before, left);
      if (end < numUnits) this.#offer(rule, left, end);
    }
  }

  #reset(numUnits: number): void {
    if (this.ends.length < numUnits) {
      this.ends = new Int32Array(numUnits * 2);
      this.#previous = new Int32Array(numUnits * 2);
    }
    for (let unit = 0; unit < numUnits; unit++) {
      this.ends[unit] = unit + 1;
      this.#previous[unit] = unit - 1;
    }
    this.#size = 0;
  }

  #offer(rule: MergeRule, left: number, middle: number): void {
    const end = this.ends[middle]!;
    const candidate = rule.candidate(left, middle, end);
    if (candidate < 0) return;
    if (this.#size === this.#keys.length) this.#grow();
    const key = rule.priority(candidate) * POSITION_RANGE + left;
    let hole = this.#size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (this.#keys[parent]! <= key) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, key, middle, end, candidate);
  }

  #pop(): void {
    const last = --this.#size;
    const key = this.#keys[last]!;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#keys[child + 1]! < this.#keys[child]!) child++;
      if (key <= this.#keys[child]!) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#put(hole, key, this.#middles[last]!, this.#stops[last]!, this.#candidates[last]!);
  }

  #move(from: number, to: number): void {
    this.#put(
      to,
      this.#keys[from]!,
      this.#middles[from]!,
      this.#stops[from]!,
      this.#candidates[from]!,
    );
  }

  #put(at: number, key: number, middle: number, end: number, candidate: number): void {
    this.#keys[at] = key;
    this.#middles[at] = middle;
    this.#stops[at] = end;
    this.#candidates[at] = candidate;
  }

  #grow(): void {
    const length = this.#keys.length * 2;
    const keys = new Float64Array(length);
    keys.set(this.#keys);
    this.#keys = keys;
    this.#middles = grown(this.#middles, length);
    this.#stops = grown(this.#stops, length);
    this.#candidates = grown(this.#candidates, length);
  }
}

function grown(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(array);
  return larger;
}
