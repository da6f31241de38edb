// What kind of answer a question asks for, by its words alone.

export const ANSWER_KINDS = [
  "person",
  "time",
  "count",
  "place",
  "reason",
  "manner",
  "thing",
] as const;
export type AnswerKind = (typeof ANSWER_KINDS)[number];

// The first that matches; the order settles "in what year", "what city" and "how many people".
const PATTERNS: readonly (readonly [AnswerKind, RegExp])[] = [
  [
    "count",
    /\bhow (?:many|much|often|long|old|far|tall|large|big|high|wide|deep|fast|heavy|few)\b/i,
  ],
  ["time", /\b(?:what|which|whose) (?:\w+ )?(?:year|date|day|month|century|decade|time|era)s?\b/i],
  [
    "count",
    /\b(?:what|which) (?:\w+ ){0,2}(?:percentage|percent|number|amount|proportion|fraction|population|age|size|length|height|distance|temperature|rate|price|cost|score|record)\b/i,
  ],
  ["time", /\bwhen\b/i],
  ["reason", /\b(?:why|what (?:is|was|were|are) the reason|for what reason|what caused?)\b/i],
  ["person", /\b(?:who|whom|whose)\b/i],
  ["place", /\bwhere\b/i],
  [
    "place",
    /\b(?:what|which) (?:\w+ )?(?:city|country|state|region|place|town|continent|river|area|county|street|location|province|island)\b/i,
  ],
  [
    "person",
    /\b(?:what|which) (?:\w+ )?(?:person|man|woman|king|queen|president|player|actor|actress|author|artist|singer|scientist|leader|director|doctor|character)(?:'s name)?\b/i,
  ],
  ["manner", /\bhow\b/i],
];

/** The kind of answer that `question` asks for; `thing` where its words do not tell. */
export function expectedAnswer(question: string): AnswerKind {
  return PATTERNS.find(([, pattern]) => pattern.test(question))?.[0] ?? "thing";
}

const KIND_NOUN =
  /\b(?:what|which|whose) (?:\w+ )?(year|date|day|month|century|decade|time|number|amount|percentage|percent|age|city|country|town|place|person|man|woman|name)s?\b/i;

/** The word that only says what kind of answer is asked for: the text that gives one seldom has it ("in what year"). */
export function kindNoun(question: string): string | undefined {
  return KIND_NOUN.exec(question)?.[1];
}
