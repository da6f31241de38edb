// Hides what a reasoning model thinks before it answers: everything between <think> and </think>, or an unclosed <think>.

const OPEN = "<think>";
const CLOSE = "</think>";

/** The answer alone. A stray `</think>` ends reasoning that the prompt opened. */
export function withoutReasoning(text: string): string {
  const filter = new ReasoningFilter();
  const visible = filter.push(text) + filter.flush();
  const stray = visible.lastIndexOf(CLOSE);
  return (stray < 0 ? visible : visible.slice(stray + CLOSE.length)).trim();
}

/** Passes streamed text on, without the reasoning in it. */
export class ReasoningFilter {
  #isReasoning = false;
  #pending = "";

  /** The visible part of the next piece of text; a possible beginning of a mark is held back. */
  push(text: string): string {
    this.#pending += text;
    let visible = "";
    for (;;) {
      const mark = this.#isReasoning ? CLOSE : OPEN;
      const found = this.#pending.indexOf(mark);
      const end = found >= 0 ? found : this.#pending.length - heldBack(this.#pending, mark);
      if (!this.#isReasoning) visible += this.#pending.slice(0, end);
      if (found < 0) {
        this.#pending = this.#pending.slice(end);
        return visible;
      }
      this.#pending = this.#pending.slice(found + mark.length);
      this.#isReasoning = !this.#isReasoning;
    }
  }

  /** What was held back, at the end. */
  flush(): string {
    const rest = this.#isReasoning ? "" : this.#pending;
    this.#pending = "";
    return rest;
  }
}

/** Length of the longest end of `text` that begins `mark`. */
function heldBack(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--)
    if (text.endsWith(mark.slice(0, length))) return length;
  return 0;
}
