// Spans weighed as answers, with a scripted model of one token a character.

import assert from "node:assert/strict";
import { Pointing } from "../../../../src/engine/answer/pointer/pointing.ts";
import { reader } from "../../../../src/engine/answer/promptFormats/reader.ts";
import { contestOf } from "../../../../src/engine/answer/spans/contest.ts";
import {
  type ScoredSpan,
  searchPassages,
  searchSpans,
  spanOffsets,
  spansFrom,
  spanText,
} from "../../../../src/engine/answer/spans/spanSearch.ts";
import { Terms, wordsOf } from "../../../../src/engine/answer/terms.ts";
import { createDocument } from "../../../../src/engine/documents/document.ts";
import { plainText } from "../../../../src/engine/documents/plainText.ts";
import { characterTokenizer, type Script, scriptedModel } from "../../../support/scriptedModel.ts";

const TEXT =
  "The harbour was closed in 1931. The parliament of Atlantis was established in 1999 by Queen\nMara, who liked kelp.";
const terms = new Terms();

function contest(question: string, text = TEXT) {
  const format = { id: "text", kind: "prose" } as const;
  const document = createDocument({ path: "a", label: "a" }, format, plainText.readText(text));
  const passage = { document, start: 0, end: text.length, score: 1 };
  const { asked, contestants } = contestOf([passage], question, {
    question: terms.ofQuestion(question),
    termsOf: (words) => wordsOf(words).flatMap((word) => [...terms.of(word)]),
  });
  const [own] = contestants;
  assert.ok(own);
  return { asked, ...own };
}

interface SearchOptions {
  readonly maxTokens?: number;
  readonly text?: string;
  /** Where a pointer is sure that the answer stands. */
  readonly pointed?: string;
}

async function search(
  question: string,
  script: Partial<Script>,
  { maxTokens = 100, text = TEXT, pointed }: SearchOptions = {},
) {
  const { asked, words, competition } = contest(question, text);
  const found = await searchSpans({
    model: scriptedModel({ reply: () => "", ...script }),
    format: reader,
    prompt: characterTokenizer.encode("[1] a:1-2\n…\n\nQuestion: …\nAnswer:"),
    passage: words,
    ...(pointed !== undefined && { pointing: pointingAt(text, pointed) }),
    ...{ asked, competition, maxTokens },
  });
  return { ...found, words, texts: found.spans.map((span) => spanText(words, span)) };
}

/** A pointing with a token a character. */
function pointingAt(text: string, answer: string): Pointing {
  const places = Array.from(text, (_, i) => ({ start: i, end: i + 1 }));
  const first = text.indexOf(answer);
  const logits = (at: number) => Float32Array.from(text, (_, i) => (i === at ? 6 : -6));
  const output = { start: logits(first), end: logits(first + answer.length - 1), none: 0 };
  return new Pointing(places, output, answer.length);
}

const startsOf = ({ spans }: { spans: readonly { first: number }[] }) =>
  new Set(spans.map(({ first }) => first));
const says = (reply: string) => ({ reply: () => reply });

describe("span search", () => {
  it("finds what the model would say, across line breaks, with its ln p and where it stands", async () => {
    const { spans, texts, words } = await search("What was closed?", says(" Queen Mara [1]"));
    assert.equal(texts[0], "Queen Mara");
    const [best] = spans;
    assert.ok(best);
    const { start, end } = spanOffsets(words, best);
    assert.equal(TEXT.slice(start, end), "Queen\nMara");
    // Ten letters with a space in front and one behind, each 0.01.
    assert.equal(best.numTokens, 11);
    assert.ok(Math.abs(best.lnP + 0.12) < 1e-6, `${best.lnP}`);
  });

  it("chooses by what surrounds a span where the model knows no better", async () => {
    const undecided = { unsaid: -0.2 };
    const year = await search("When was the parliament established?", undecided);
    assert.equal(year.texts[0], "1999");
    const person = await search("Who established the parliament?", undecided);
    assert.match(person.texts[0] ?? "", /Mara/);
  });

  it("goes by the model's pointer, where it has one", async () => {
    const undecided = { unsaid: -0.2 };
    // The words alone cannot tell the two years apart.
    const question = "When was it?";
    for (const pointed of ["1931", "1999"]) {
      const found = await search(question, undecided, { pointed });
      assert.equal(found.texts[0], pointed);
    }
  });

  it("goes by a model that is surer than its pointer", async () => {
    const question = "What is the access code?";
    const text = "CHAPTER I One of the access codes is 48213. Nobody came along the road.";
    const model = { reply: () => " 48213 [1]", unsaid: -8 };
    const found = await search(question, model, { text, pointed: "CHAPTER I One" });
    assert.equal(found.texts[0], "48213");
    const asked = await search(question, { unsaid: -0.2 }, { text, pointed: "CHAPTER I One" });
    assert.equal(asked.texts[0], "CHAPTER I One");
  });

  it("asks what follows a few starts, of which those far behind the best are fewer", async () => {
    const undecided = { unsaid: -0.2 };
    const ahead = await search("When was the parliament established?", undecided);
    assert.equal(startsOf(ahead).size, 6);
    const plants = [
      "Kelp",
      "Reed",
      "Wheat",
      "Barley",
      "Oats",
      "Rye",
      "Moss",
      "Fern",
      "Palm",
      "Hop",
    ];
    const text = plants.map((plant) => `${plant} grows.`).join(" ");
    const level = await search("What grows?", undecided, { text });
    assert.equal(startsOf(level).size, 8);
  });

  it("knows how likely the model holds a refusal", async () => {
    const refused = await search("When did it rain?", says(" not in the text"));
    assert.ok(refused.refusal > -1);
    assert.ok((refused.spans[0]?.lnP ?? 0) < -20);
    const answered = await search("When did it rain?", says(" 1931 [1]"));
    assert.ok(answered.refusal < -20);
  });

  it("gives no span of more tokens than an answer may have, and none beyond a sentence", async () => {
    const { texts } = await search("Who established it?", says(" Queen Mara [1]"), {
      maxTokens: 6,
    });
    assert.ok(
      texts.every((text) => text.length < 6),
      texts.join(),
    );
    const { words } = contest("Who?");
    const spans = spansFrom(words, 4).map((span) => spanText(words, span));
    assert.deepEqual(spans, ["in", "in 1931"].slice(0, spans.length));
  });

  it("rather gives what the question brings about than what would be said to any", async () => {
    const { asked, words, competition } = contest("Who liked kelp?");
    const script = (isAsked: boolean) => (isAsked ? " Queen Mara [1]" : " 1931 [1]");
    const prompt = characterTokenizer.encode("[1] a:1-2\n…\n\nQuestion: Who liked kelp?\nAnswer:");
    const unasked = characterTokenizer.encode("[1] a:1-2\n…\n\nQuestion: What?\nAnswer:");
    const found: ScoredSpan[] = [];
    for (const also of [{}, { unasked }]) {
      const { spans } = await searchSpans({
        model: scriptedModel({ reply: (text) => script(text.includes("kelp")) }),
        ...{ format: reader, prompt, passage: words, asked, competition, maxTokens: 100, ...also },
      });
      const [best] = spans;
      assert.ok(best);
      assert.equal(spanText(words, best), "Queen Mara");
      found.push(best);
    }
    const [plain, weighed] = found;
    assert.ok(plain && weighed);
    // Under no question every letter of it is unlikely, which speaks for it.
    assert.equal(plain.features.lnUnasked, undefined);
    const unlikely = weighed.features.lnUnasked ?? 0;
    assert.ok(unlikely < -50, `${unlikely}`);
    assert.ok(weighed.score - plain.score > -0.1 * unlikely);
  });

  it("weighs passages of one prompt together as each by itself", async () => {
    const texts = [TEXT, "Kelp was liked by the otters of Lenn. Others left in 1931."];
    const contests = texts.map((text) => contest("Who liked kelp?", text));
    const [first] = contests;
    assert.ok(first);
    const shared = {
      model: scriptedModel({ reply: () => " the otters [1]" }),
      prompt: characterTokenizer.encode("[1] a:1-2\n…\n\nQuestion: …\nAnswer:"),
      ...{ format: reader, asked: first.asked, maxTokens: 40 },
    };
    const passages = contests.map(({ words, competition }) => ({ passage: words, competition }));
    const together = await searchPassages(shared, passages);
    assert.equal(together.length, 2);
    for (const [i, passage] of passages.entries()) {
      const { spans, refusal, mass } = await searchSpans({ ...shared, ...passage });
      assert.ok(spans.length > 0);
      assert.deepEqual(together[i]?.spans, spans);
      assert.deepEqual([together[i]?.refusal, together[i]?.mass], [refusal, mass]);
    }
  });

  it("finds nothing in a passage without words", async () => {
    const { asked, competition, words } = contest("Who?", "—");
    const model = scriptedModel({ reply: () => "" });
    const prompt = characterTokenizer.encode("Answer:");
    const request = { model, format: reader, prompt, asked, competition, maxTokens: 9 };
    assert.deepEqual((await searchSpans({ ...request, passage: words })).spans, []);
  });
});
