// Questions that a search answers exactly, without a model: where does it say "…", is X mentioned, how many times.

import type { SourceDocument } from "../documents/document.ts";
import { Breather } from "../progress.ts";
import type { Span } from "./verify.ts";

const QUOTED = /["“„«「『]([^"”“»」』]{2,})["”“»」』]/;
const ASKS_FOR_PHRASE =
  /\b(?:where|which|what|how (?:many times|often)|does|do|is|are|find|show)\b.*\b(?:say|says|said|stand|stands|mention(?:s|ed)?|appear(?:s|ed)?|occur(?:s|red)?|find|found|words?|phrase|sentence|line|passage|written|used|contain(?:s|ed)?)\b|^\s*(?:find|where is|where are)\b|\bhow (?:many times|often)\b/i;
const HOW_OFTEN =
  /^\s*how (?:many times|often) (?:is|are|was|were|does|do|did) (?:the (?:words?|name|phrase|term) )?(.+?) (?:mentioned|named|used|appear|occur|come up|stand|found|said)\b/i;
const IS_MENTIONED =
  /^\s*(?:is|are|was|were) (?:the (?:words?|name|phrase|term) )?(.+?) (?:ever |anywhere )?(?:mentioned|named)\b/i;

export interface Occurrence extends Span {
  readonly document: SourceDocument;
}

export interface PhraseQuestion {
  readonly phrase: string;
  /** It is quoted, alone and ends with a question mark: where it stands nowhere, it is asked itself. */
  readonly isQuestion: boolean;
}

/** The words whose occurrences a question asks for, or undefined where it asks something else. */
export function phraseAskedFor(question: string): PhraseQuestion | undefined {
  const quoted = QUOTED.exec(question)?.[1];
  const rest = question.replace(QUOTED, " ");
  const isAlone = quoted !== undefined && !/[\p{L}\p{N}]/u.test(rest);
  if (quoted !== undefined && (isAlone || ASKS_FOR_PHRASE.test(rest))) {
    const phrase = quoted.trim().replace(/[.,;:]$/, "");
    return { phrase, isQuestion: isAlone && phrase.endsWith("?") };
  }
  const phrase = (HOW_OFTEN.exec(question) ?? IS_MENTIONED.exec(question))?.[1]?.trim();
  return phrase === undefined ? undefined : { phrase, isQuestion: false };
}

/** Every place where the words stand: whole words, case, accents and white space folded. */
export async function findOccurrences(
  documents: readonly SourceDocument[],
  phrase: string,
  signal?: AbortSignal,
): Promise<Occurrence[]> {
  const breather = new Breather(signal);
  const pattern = phrasePattern(phrase);
  const found: Occurrence[] = [];
  for (const document of documents) {
    if (breather.isDue) await breather.breathe();
    for (const match of fold(document.text).matchAll(pattern)) {
      found.push({ document, start: match.index, end: match.index + match[0].length });
    }
  }
  return found;
}

function phrasePattern(phrase: string): RegExp {
  const words = fold(phrase).split(/\s+/).filter(Boolean);
  const escaped = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  const isSpaced = !/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(phrase);
  const before = isSpaced && /^[\p{L}\p{N}]/u.test(phrase) ? "(?<![\\p{L}\\p{N}])" : "";
  const after = isSpaced && /[\p{L}\p{N}]$/u.test(phrase) ? "(?![\\p{L}\\p{N}])" : "";
  return new RegExp(before + escaped.join("\\s+") + after, "giu");
}

// One unit for one unit, so that offsets stay those of the text: accents go, curly quotes become straight.
function fold(text: string): string {
  return text
    .replace(/[\u00c0-\u024f\u1e00-\u1eff]/g, (letter) => letter.normalize("NFD").charAt(0))
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"');
}
