// Lexical search over passages: BM25 with stems, parts of identifiers and pairs of neighbouring words. One small index per
// document, kept as long as the document is, so that the next question indexes only what changed.
// Our own, since MiniSearch took 3 s for War and Peace and 11 s for Hongloumeng, five times as long.

import type { Observer } from "../../protocol.ts";
import type { SourceDocument } from "../documents/document.ts";
import { Breather, ProgressMeter } from "../progress.ts";
import { passageText, placeOf, splitPassages, type TextPassage } from "./passages.ts";
import { isQuestionWord, Terms, wordsOf } from "./terms.ts";

const K1 = 1.2;
const B = 0.6;
/** Passages whose neighbouring words are looked at, since that needs their text. */
const MAX_RERANKED = 200;
/** Weight of two telling neighbours of the question that are neighbours in the passage, too; and with a word of grammar. */
const PAIR_WEIGHT = 0.5;
const HALF_PAIR_WEIGHT = 0.15;

export interface ScoredPassage extends TextPassage {
  readonly score: number;
}

export interface Query {
  readonly text: string;
  /** Words of earlier questions: they count less. */
  readonly background?: string;
}

interface DocumentIndex {
  readonly passages: readonly TextPassage[];
  /** Number of terms in each passage. */
  readonly lengths: readonly number[];
  /** For each term: passage, count, passage, count, … */
  readonly postings: ReadonlyMap<string, readonly number[]>;
}

export class SearchIndex {
  readonly #terms = new Terms();
  readonly #indexes = new WeakMap<SourceDocument, DocumentIndex>();

  /** Index the documents that are not indexed yet. */
  async add(
    documents: readonly SourceDocument[],
    options: { readonly signal?: AbortSignal; readonly observer?: Observer } = {},
  ): Promise<void> {
    const meter = new ProgressMeter(options.observer, "index", "bytes");
    const breather = new Breather(options.signal);
    const missing = documents.filter((document) => !this.#indexes.has(document));
    const total = missing.reduce((sum, document) => sum + document.text.length, 0);
    let done = 0;
    for (const document of missing) {
      const passages = splitPassages(document);
      const lengths: number[] = [];
      const postings = new Map<string, number[]>();
      for (const [i, passage] of passages.entries()) {
        lengths.push(this.#post(passage, i, postings));
        if (breather.isDue) {
          await breather.breathe();
          meter.report(done + passage.end, total, document.path);
        }
      }
      this.#indexes.set(document, { passages, lengths, postings });
      done += document.text.length;
    }
    meter.report(total, total);
  }

  /** Passages of a document that was added. */
  passagesOf(document: SourceDocument): readonly TextPassage[] {
    return this.#indexOf(document).passages;
  }

  /** The passages that share most with the query, best first. Scores are comparable within one search only. */
  search(documents: readonly SourceDocument[], query: Query, limit: number): ScoredPassage[] {
    const weights = this.#weights(documents, query);
    if (weights.size === 0) return [];
    const averageLength = this.#averageLength(documents);
    const found: ScoredPassage[] = [];
    for (const document of documents) {
      const index = this.#indexOf(document);
      for (const [i, score] of scorePassages(index, weights, averageLength)) {
        const passage = index.passages[i];
        if (passage) found.push({ ...passage, score });
      }
    }
    const best = byScore(found).slice(0, Math.max(limit, MAX_RERANKED));
    const pairs = this.#pairs(query.text);
    const reranked = best.map((passage) => ({
      ...passage,
      score: passage.score + this.#pairScore(passage, pairs, weights),
    }));
    return byScore(reranked).slice(0, limit);
  }

  /** Inverse document frequency of every term of the query that occurs, by term. */
  #weights(documents: readonly SourceDocument[], query: Query): Map<string, number> {
    const weights = new Map<string, number>();
    const background = query.background ? this.#terms.ofQuestion(query.background) : [];
    const own = this.#terms.ofQuestion(query.text);
    const total = documents.reduce((sum, document) => sum + this.passagesOf(document).length, 0);
    for (const term of new Set([...own, ...background])) {
      let holding = 0;
      for (const document of documents) {
        holding += (this.#indexOf(document).postings.get(term)?.length ?? 0) / 2;
      }
      if (holding === 0) continue;
      const idf = Math.log(1 + (total - holding + 0.5) / (holding + 0.5));
      weights.set(term, own.includes(term) ? idf : idf * 0.4);
    }
    return weights;
  }

  /** The weight of each term of `text` among `documents`; terms that occur nowhere get the highest. */
  termWeights(documents: readonly SourceDocument[], text: string): Map<string, number> {
    const known = this.#weights(documents, { text });
    const total = documents.reduce((sum, document) => sum + this.passagesOf(document).length, 0);
    const highest = Math.log(1 + (total + 0.5) / 0.5);
    return new Map(this.#terms.ofQuestion(text).map((term) => [term, known.get(term) ?? highest]));
  }

  /** The terms of any text, repeated as often as they occur. */
  termsOf(text: string): string[] {
    return wordsOf(text).flatMap((word) => [...this.#terms.of(word)]);
  }

  #post(passage: TextPassage, number: number, postings: Map<string, number[]>): number {
    let length = 0;
    const place = placeOf(passage);
    for (const text of [passageText(passage), place.heading ?? "", passage.document.label]) {
      for (const word of wordsOf(text)) {
        for (const term of this.#terms.of(word)) {
          length++;
          const posting = postings.get(term);
          if (!posting) postings.set(term, [number, 1]);
          else if (posting.at(-2) === number)
            posting[posting.length - 1]! += 1; // a posting holds pairs
          else posting.push(number, 1);
        }
      }
    }
    return length;
  }

  // Neighbours in the question of which at least one says something: "prime minister", "cough for".
  #pairs(question: string): (readonly [string, string])[] {
    const words = wordsOf(question);
    return words.slice(1).flatMap((word, i) => {
      const before = words[i] ?? "";
      const [first, second] = [this.#terms.of(before)[0], this.#terms.of(word)[0]];
      const isTelling = !isQuestionWord(before) || !isQuestionWord(word);
      return isTelling && first && second ? [[first, second] as const] : [];
    });
  }

  #pairScore(
    passage: TextPassage,
    pairs: readonly (readonly [string, string])[],
    weights: ReadonlyMap<string, number>,
  ): number {
    if (pairs.length === 0) return 0;
    const terms = wordsOf(passageText(passage)).map((word) => this.#terms.of(word)[0]);
    const neighbours = new Set(terms.map((term, i) => `${terms[i - 1]} ${term}`));
    return pairs.reduce((sum, [a, b]) => {
      const factor = weights.has(a) && weights.has(b) ? PAIR_WEIGHT : HALF_PAIR_WEIGHT;
      const weight = ((weights.get(a) ?? 0) + (weights.get(b) ?? 0)) * factor;
      return neighbours.has(`${a} ${b}`) ? sum + weight : sum;
    }, 0);
  }

  #averageLength(documents: readonly SourceDocument[]): number {
    let terms = 0;
    let passages = 0;
    for (const document of documents) {
      const { lengths } = this.#indexOf(document);
      passages += lengths.length;
      for (const length of lengths) terms += length;
    }
    return terms / Math.max(1, passages);
  }

  #indexOf(document: SourceDocument): DocumentIndex {
    const index = this.#indexes.get(document);
    if (!index) throw new Error(`${document.path} was not added to the index`);
    return index;
  }
}

function scorePassages(
  index: DocumentIndex,
  weights: ReadonlyMap<string, number>,
  averageLength: number,
): Map<number, number> {
  const scores = new Map<number, number>();
  for (const [term, weight] of weights) {
    const posting = index.postings.get(term) ?? [];
    for (let i = 0; i < posting.length; i += 2) {
      const [passage = 0, count = 0] = [posting[i], posting[i + 1]];
      const length = (index.lengths[passage] ?? 0) / averageLength;
      const gain = (weight * count * (K1 + 1)) / (count + K1 * (1 - B + B * length));
      scores.set(passage, (scores.get(passage) ?? 0) + gain);
    }
  }
  return scores;
}

// Equal scores keep the order of the documents.
function byScore(passages: ScoredPassage[]): ScoredPassage[] {
  return passages.sort((a, b) => b.score - a.score);
}
