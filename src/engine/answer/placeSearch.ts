// Questions for what stands at a numbered place, answered exactly and without a model: "What is written in Isaiah 13:10?",
// "Quote Article 4.2". A place is words of a heading and a number that begins a line below it.

import type { SourceDocument } from "../documents/document.ts";
import { Breather } from "../progress.ts";
import type { Occurrence } from "./exactSearch.ts";
import { wordsOf } from "./terms.ts";
import type { Span } from "./verify.ts";

/** A longer line is no heading. */
const MAX_HEADING = 80;
const ASKED =
  "(?:please )?(?:quote|read|show|give|recite|cite|what (?:is|was|does|did|stands?)(?: written| said| the (?:text|wording))?)(?: me)?(?: (?:in|at|of|under|from))?";
const PLACE = new RegExp(
  `^(?:${ASKED} )?(?<name>(?:[1-9] )?\\p{L}[\\p{L}'’ ]{1,60}?),?(?: (?:chapter|verse))? (?<number>\\d{1,4}[:.]\\d{1,4})(?: (?:says?|reads?|states?))?[\\s?.!]*$`,
  "iu",
);
const UNNAMED = /^(?:the|book|of|verses?|in)$/i;
const LABEL = /^\s*(?:[#*]+ )?(\d+)([:.])(\d+)(?!\d)/;

export interface Place {
  /** Words of the heading, in small letters and the singular. */
  readonly name: readonly string[];
  readonly number: string;
}

/** The place whose text a question asks for, or undefined where it asks something else. */
export function placeAskedFor(question: string): Place | undefined {
  const { name = "", number = "" } = PLACE.exec(question.trim())?.groups ?? {};
  const words = wordsOf(name).filter((word) => !UNNAMED.test(word));
  return words.length === 0 ? undefined : { name: words.map(singular), number };
}

/** Every place of that name and number: the numbered line, and the lines that continue it. */
export async function findPlaces(
  documents: readonly SourceDocument[],
  place: Place,
  signal?: AbortSignal,
): Promise<Occurrence[]> {
  const breather = new Breather(signal);
  const found: Occurrence[] = [];
  for (const document of documents) {
    if (breather.isDue) await breather.breathe();
    // Most documents do not hold the number at all.
    if (!document.text.includes(place.number)) continue;
    for (const span of placesIn(document.text, place)) found.push({ document, ...span });
  }
  return found;
}

function* placesIn(text: string, { name, number }: Place): Generator<Span> {
  let isBelow = false;
  let isDoubtful = false;
  let last = { major: 0, minor: 0 };
  let start: number | undefined;
  for (const { 0: line, index } of text.matchAll(/[^\n]*(?:\n|$)/g)) {
    const [label, major, sign, minor] = LABEL.exec(line) ?? [];
    const isHeading = label === undefined && isTitle(line);
    if (start !== undefined && (label !== undefined || isHeading || line.trim() === "")) {
      yield { start, end: start + text.slice(start, index).trimEnd().length };
      start = undefined;
    }
    if (label !== undefined) {
      const at = { major: Number(major), minor: Number(minor) };
      const isBefore = at.major < last.major || (at.major === last.major && at.minor <= last.minor);
      // A psalm's title ends no book: the numbers behind the next book's do begin anew.
      if (isDoubtful && isBefore) isBelow = false;
      isDoubtful = false;
      last = at;
      if (isBelow && `${major}${sign}${minor}` === number) start = index + line.search(/\S/);
    } else if (isHeading) {
      const words = new Set(wordsOf(line).map(singular));
      if (name.every((word) => words.has(word))) {
        isBelow = true;
        isDoubtful = false;
      } else isDoubtful = true;
    }
  }
}

function isTitle(line: string): boolean {
  const title = line.trim();
  return title.length <= MAX_HEADING && /^[#*\d\s]*\p{Lu}/u.test(title) && !/[.,;:!?]$/.test(title);
}

// "Psalm 23:1" stands under "Psalms".
function singular(word: string): string {
  return word.toLowerCase().replace(/(?<=\p{L}{3})s$/u, "");
}
