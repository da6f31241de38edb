// How answers are scored: SQuAD's exact match and F1 (arXiv:1606.05250), RULER's share of expected strings.

/** Lower case, without articles and punctuation, single spaces: SQuAD's normalisation. */
export function normalise(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[!-/:-@[-`{-~]/g, "")
    .replaceAll(/\b(a|an|the)\b/g, " ")
    .split(/\s+/)
    .filter((word) => word !== "")
    .join(" ");
}

/** 1 where the answer equals one of the references. */
export function exactMatch(answer: string, references: readonly string[]): number {
  return references.some((reference) => normalise(reference) === normalise(answer)) ? 1 : 0;
}

/** The best harmonic mean of precision and recall of words over the references. */
export function f1(answer: string, references: readonly string[]): number {
  return Math.max(0, ...references.map((reference) => wordF1(answer, reference)));
}

/** Share of the expected strings that stand in the answer, case aside. */
export function shareFound(answer: string, expected: readonly string[]): number {
  const text = answer.toLowerCase();
  const found = expected.filter((value) => text.includes(value.toLowerCase()));
  return expected.length === 0 ? 0 : found.length / expected.length;
}

function wordF1(answer: string, reference: string): number {
  const wanted = normalise(reference).split(" ").filter(Boolean);
  const given = normalise(answer).split(" ").filter(Boolean);
  const left = new Map<string, number>();
  for (const word of wanted) left.set(word, (left.get(word) ?? 0) + 1);
  let shared = 0;
  for (const word of given) {
    const count = left.get(word) ?? 0;
    if (count > 0) shared++;
    left.set(word, count - 1);
  }
  if (shared === 0) return 0;
  const [precision, recall] = [shared / given.length, shared / wanted.length];
  return (2 * precision * recall) / (precision + recall);
}
