// Gathers what an operation reports into frames, so that a fast model does not flood the socket: at most one message
// of tokens and one of progress per frame, and none while the client is behind in reading.

import type { Progress } from "../protocol.ts";

/** About 40 frames a second: smooth to read, cheap to send. */
export const FRAME_MS = 25;

export interface FrameSink {
  /** False while the client has not read what was sent. */
  isReady(): boolean;
  token(text: string): void;
  progress(progress: Progress): void;
}

/** Collects tokens and progress of one request and passes them on in frames. */
export class Frames {
  #text = "";
  #progress: Progress | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #sink: FrameSink;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  token(text: string): void {
    this.#text += text;
    this.#schedule();
  }

  progress(progress: Progress): void {
    this.#progress = progress;
    this.#schedule();
  }

  /** Send everything still held, whether the client keeps up or not: the request is about to end. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#text;
    const progress = this.#progress;
    this.#text = "";
    this.#progress = undefined;
    if (progress) this.#sink.progress(progress);
    if (text !== "") this.#sink.token(text);
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#sink.isReady()) this.flush();
      else this.#schedule();
    }, FRAME_MS);
  }
}
