// Where sentences end in prose of any script; good enough to quote one, not a grammar.

/** Abbreviations after which a full stop ends no sentence. */
const ABBREVIATION =
  /(?:^|[\s(“"'])(?:mr|mrs|ms|dr|st|prof|gen|col|capt|lt|sgt|rev|hon|jr|sr|vs|etc|e\.g|i\.e|cf|no|vol|fig|p|pp|[a-z])\.$/i;
/** Behind a stop, its closing quotes and brackets, and the numbers of notes. */
const END =
  /[.!?…]+["'”’)\]]*(?:\[\d{1,3}\])*(?=\s|$)|[。！？]+[”’」』）]*|\n\s*\n|\n(?=\s*(?:[-*+|#>•]|\d+[.)])\s)/g;

/** Offsets just behind each sentence of `text`; the last one is its length. */
export function sentenceEnds(text: string): number[] {
  const ends: number[] = [];
  for (const match of text.matchAll(END)) {
    const end = match.index + match[0].length;
    const isStop = match[0].startsWith(".") && match[0].length === 1;
    if (isStop && ABBREVIATION.test(text.slice(Math.max(0, end - 8), end))) continue;
    if (isStop && /^\s+[a-z]/.test(text.slice(end, end + 4))) continue;
    ends.push(end);
  }
  if (ends.at(-1) !== text.length) ends.push(text.length);
  return ends;
}

/** Start and end of each sentence of `text`, white space around it left out. */
export function splitSentences(text: string): { start: number; end: number }[] {
  const sentences: { start: number; end: number }[] = [];
  let start = 0;
  for (const end of sentenceEnds(text)) {
    const piece = text.slice(start, end);
    const lead = piece.length - piece.trimStart().length;
    const trimmed = piece.trim();
    if (trimmed !== "") sentences.push({ start: start + lead, end: start + lead + trimmed.length });
    start = end;
  }
  return sentences;
}
