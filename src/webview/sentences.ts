// What a screen reader is told while an answer streams: whole sentences, never single tokens.

export class Sentences {
  #pending = "";

  /** Add streamed text; returns the sentences it completed, or undefined. */
  add(text: string): string | undefined {
    this.#pending += text;
    const end = this.#pending.search(/[.!?…]["”’)\]]*\s+(?!.*[.!?…]["”’)\]]*\s)/s);
    if (end < 0) return undefined;
    const rest = /\s/.exec(this.#pending.slice(end));
    const cut = end + (rest?.index ?? 0);
    const whole = this.#pending.slice(0, cut).trim();
    this.#pending = this.#pending.slice(cut).trimStart();
    return whole;
  }

  /** What is left when the answer has ended. */
  rest(): string {
    const rest = this.#pending.trim();
    this.#pending = "";
    return rest;
  }
}
