// Answers without a model: the sentences of the best passages that share most with the question, quoted.

import type { Citation } from "../../protocol.ts";
import { passageText } from "./passages.ts";
import type { ScoredPassage, SearchIndex } from "./searchIndex.ts";
import { splitSentences } from "./sentences.ts";
import { shareOf } from "./terms.ts";
import { citePassage, quoteAround } from "./verify.ts";

const NUM_PASSAGES = 8;
const NUM_QUOTES = 3;

export interface Quotes {
  readonly found: boolean;
  readonly answer: string;
  readonly citations: readonly Citation[];
}

/** Quote up to three sentences by the weights of the question's terms; the answer is the best of them, word for word. */
export function quoteSentences(
  passages: readonly ScoredPassage[],
  weights: ReadonlyMap<string, number>,
  index: SearchIndex,
): Quotes {
  const best = passages.slice(0, NUM_PASSAGES);
  const scored = best.flatMap((passage) =>
    splitSentences(passageText(passage)).map((sentence) => {
      const span = { start: passage.start + sentence.start, end: passage.start + sentence.end };
      const text = passage.document.text.slice(span.start, span.end);
      const share = shareOf(weights, new Set(index.termsOf(text)));
      return { passage, span, score: share + (0.5 * passage.score) / (best[0]?.score ?? 1) };
    }),
  );
  scored.sort((a, b) => b.score - a.score);
  const quoted = scored.slice(0, NUM_QUOTES);
  const citations = quoted.map(({ passage, span }) =>
    citePassage(passage, quoteAround(passage, span)),
  );
  return {
    found: citations.length > 0,
    answer: citations[0] ? `“${citations[0].quote.replace(/\s+/g, " ")}”` : "",
    citations,
  };
}
