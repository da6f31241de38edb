// Finds stop strings in streamed text, which may arrive cut anywhere.

export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";

  constructor(stops: readonly string[] = []) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /** Text that is safe to show now; what may be the beginning of a stop string is held back. */
  push(text: string): { readonly text: string; readonly isStopped: boolean } {
    const all = this.#held + text;
    const found = this.#stops.map((stop) => all.indexOf(stop)).filter((index) => index >= 0);
    if (found.length > 0) {
      this.#held = "";
      return { text: all.slice(0, Math.min(...found)), isStopped: true };
    }
    const kept = this.#beginning(all);
    this.#held = all.slice(all.length - kept);
    return { text: all.slice(0, all.length - kept), isStopped: false };
  }

  /** What was held back, at the end. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** Length of the longest end of `text` that begins a stop string. */
  #beginning(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
