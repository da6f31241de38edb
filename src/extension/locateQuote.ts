// Finds a citation's quote inside its cited lines, with white space folded as the engine folds it.

/** Offsets in the given text, in UTF-16 units. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Where `quote` stands in `text`; undefined when it does not. Runs of white space match each other. */
export function locateQuote(text: string, quote: string): Range | undefined {
  const words = quote.trim().split(/\s+/);
  if (words[0] === "") return undefined;
  const pattern = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("\\s+");
  const match = new RegExp(pattern).exec(text);
  return match ? { start: match.index, end: match.index + match[0].length } : undefined;
}
