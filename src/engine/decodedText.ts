// Drawn tokens as text, and where an answer ends.

import type { DecodeAhead } from "./decodeAhead.ts";
import { throwIfStopped } from "./errors.ts";
import type { GeneratedRecord } from "./generatedRecord.ts";
import type { GenerateRequest, Piece } from "./languageModel.ts";
import { StopStrings } from "./stopStrings.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

export interface Decoding {
  readonly ahead: DecodeAhead;
  readonly tokenizer: Tokenizer;
  /** Where generated tokens count as queries of the policy. */
  readonly generated: GeneratedRecord | undefined;
}

/**
 * Tokens and their text until an end token that is not to be ignored, a stop string or the last position; `kept` collects the tokens.
 * @throws StoppedError when the request's signal fires
 */
export async function* decodedText(
  { ahead, tokenizer, generated }: Decoding,
  request: GenerateRequest,
  kept: number[],
): AsyncGenerator<Piece, void> {
  const { endTokens } = tokenizer;
  const stream = tokenizer.stream();
  const stops = new StopStrings(request.stop);
  for (;;) {
    // The step of a token ran where the next one is known.
    generated?.confirm(kept.length - 1);
    const tokens = await ahead.next(request.signal);
    if (tokens.length === 0) break;
    for (const token of tokens) {
      if (!request.ignoreEnd && endTokens.has(token)) return yield* flush();
      kept.push(token);
      const { text, isStopped } = stops.push(stream.push(token));
      yield { token, text };
      throwIfStopped(request.signal);
      if (isStopped) return;
    }
  }
  yield* flush();

  function* flush(): Generator<Piece, void> {
    const { text, isStopped } = stops.push(stream.flush());
    const rest = isStopped ? text : text + stops.flush();
    if (rest !== "") yield { token: undefined, text: rest };
  }
}
